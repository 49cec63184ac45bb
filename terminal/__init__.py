"""What a terminal shows: tables, progress, QR codes. Each command calls one use case of app."""
