"""The pages, one folder to a screen: routes and templates. They call use cases of `app`; no rule, no SQL."""
