// Runs before the page is painted, so that a chosen theme never flashes in the other one.
try {
  const theme = localStorage.getItem("nonette.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // storage may be forbidden; then the system's theme it is
}
