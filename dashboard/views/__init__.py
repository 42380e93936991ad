"""One page a file: `title`, `icon`, `order`, `path`, `in_menu`, `render(api)`.

A page never imports another one.
"""
