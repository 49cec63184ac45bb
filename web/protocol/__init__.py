"""HTTP itself: connections bounded and cut, requests whose end is ambiguous refused."""
