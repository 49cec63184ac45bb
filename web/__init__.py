"""What programs and monitors see over HTTP. Calls use cases, imports no terminal."""
