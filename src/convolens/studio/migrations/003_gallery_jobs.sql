CREATE TABLE gallery_job (
  folder TEXT PRIMARY KEY,  -- what the job writes, relative to the project's folder: one that is resumed has it again
  data INTEGER NOT NULL REFERENCES data(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  model INTEGER REFERENCES models(id) ON DELETE CASCADE,
  split TEXT NOT NULL DEFAULT '',
  taken INTEGER NOT NULL DEFAULT 0  -- 1: its results are in the tables; 2: they cannot be
);
CREATE TABLE measure (
  id INTEGER PRIMARY KEY,
  data INTEGER NOT NULL REFERENCES data(id) ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES models(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  split TEXT NOT NULL,
  numbers TEXT NOT NULL,
  page TEXT NOT NULL DEFAULT '',
  UNIQUE (data, model, kind, split)
);
CREATE INDEX pictures_split ON pictures (data, split, id);
