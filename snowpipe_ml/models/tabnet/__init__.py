"""TabNet for many series: one network per series, trained together as one stacked computation."""
