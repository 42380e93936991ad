"""One page a file: `title`, `icon`, `order`, `path`, `render(api)`; never imports another page."""
