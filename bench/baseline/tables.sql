CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  author TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX messages_by_channel ON messages (channel, created_at);
CREATE INDEX messages_by_author ON messages (author, created_at);
CREATE INDEX messages_by_body ON messages (body, created_at);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE VIRTUAL TABLE notes_text USING fts5 (body, content = 'notes', content_rowid = 'id');
