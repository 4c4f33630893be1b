// Wide tables and code scroll; with a place in the tab order, the keyboard can scroll them too. The theme wraps tables when it
// loads, and opens its search as a dialog without a name.
document$.subscribe(() => setTimeout(() => {
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) wide.tabIndex = 0;
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
}));
