"""The names of the style and the script that all pages of the site have."""

STYLE, SCRIPT = "site.css", "site.js"
