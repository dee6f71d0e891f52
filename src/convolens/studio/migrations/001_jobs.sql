CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  arguments TEXT NOT NULL,  -- of the command line, as JSON
  again TEXT,               -- those that resume it, where it can be resumed
  folder TEXT,              -- what it writes, relative to the project's folder
  state TEXT NOT NULL,      -- waiting, running, stopping, done, failed, stopped, cut
  message TEXT NOT NULL DEFAULT '',
  made REAL NOT NULL,
  started REAL,
  ended REAL
);

CREATE INDEX job_state ON job (state);
