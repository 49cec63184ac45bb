"""The JSON API: operations, keys, repeated calls, problems. They call use cases of `app`; no rule, no SQL."""
