"""Reports as a file to send on: made of use cases of `app` and the macros of `web.look`."""
