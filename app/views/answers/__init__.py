"""What the API answers, each shape in one place: the schemas of its document are made from these types, with the
sentence below each field. What a command prints too is a `TypedDict`: the function that makes the JSON names it as its
type, which costs the command nothing, and mypy compares the two."""
