"""How well, how soon and how cheaply the transcriber hears recordings whose notes are known."""
