/**
 * Gives the panes the widths that this person chose. It runs before the page is drawn, so that nothing jumps; therefore
 * it is a plain script and no module. `panes.js` changes the widths.
 */
{
  const chosen = document.currentScript?.dataset ?? {};
  const most = { sidebar: 0.4, incident: 0.7 }; // share of the window, as in panes.js
  for (const [pane, share] of Object.entries(most)) {
    const width = Number(chosen[pane]);
    if (width)
      document.documentElement.style.setProperty(
        `--${pane}-width`,
        `${Math.round(Math.min(width, innerWidth * share))}px`,
      );
  }
}
