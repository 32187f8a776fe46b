// Before anything is painted: the appearance that was chosen, so that nobody in a dark room is flashed at.
try {
  const theme = localStorage.getItem("weatherd.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing for us shows the device's own appearance.
}
