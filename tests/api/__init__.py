"""The teacher behind an API: its chat, its server and the client."""
