"""A button that opens a chapter in Kaggle: the theme has one for Colab only."""

from pathlib import PurePosixPath


def add_button(app, pagename, templatename, context, doctree):
    """Add "Kaggle" to the page's launch buttons, if the page is a notebook."""
    if context.get("page_source_suffix") != ".ipynb":
        return
    repository = app.config.html_theme_options.get("repository_url", "").removeprefix("https://github.com/")
    branch = app.config.html_theme_options.get("repository_branch", "main")
    source = PurePosixPath(f"{pagename}.ipynb")
    raw = f"https://raw.githubusercontent.com/{repository}/{branch}/{source}"
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            group["buttons"].append(
                {
                    "type": "link",
                    "text": "Kaggle",
                    "tooltip": "Open in Kaggle",
                    "icon": "fab fa-kaggle",
                    "url": f"https://kaggle.com/kernels/welcome?src={raw}",
                }
            )


def setup(app):
    app.connect("html-page-context", add_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
