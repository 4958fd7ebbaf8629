// Explorers and figures follow the page's theme by the attribute `theme`; Furo keeps its own on the body.
{
  const query = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    const chosen = document.body.dataset.theme;
    const dark = chosen === "dark" || (chosen !== "light" && query.matches);
    const theme = dark ? "dark" : "light";
    if (document.documentElement.getAttribute("theme") !== theme) document.documentElement.setAttribute("theme", theme);
  };
  new MutationObserver(follow).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  query.addEventListener("change", follow);
  follow();
}

// What scrolls sideways takes the keyboard's focus, so that arrow keys scroll it.
{
  const reach = () => {
    for (const node of document.querySelectorAll("article pre, article .table-wrapper, article .output_html, .dl-table")) {
      if (node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight + 1) node.tabIndex = 0;
      else if (node.tabIndex === 0) node.removeAttribute("tabindex");
    }
  };
  addEventListener("load", reach);
  addEventListener("resize", reach);
}
