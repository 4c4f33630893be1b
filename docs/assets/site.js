// Wide tables scroll; with a place in the tab order, the keyboard can scroll them too. The theme wraps them when it loads.
document$.subscribe(() => setTimeout(() => {
  for (const wrapper of document.querySelectorAll(".md-typeset__scrollwrap")) wrapper.tabIndex = 0;
}));
