-- What is known of each picture of the data that is looked through, what models predict, and what was decided.
CREATE TABLE data (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  format TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL DEFAULT '',
  classes TEXT NOT NULL DEFAULT '[]',
  state TEXT NOT NULL DEFAULT 'waiting',
  problem TEXT NOT NULL DEFAULT '',
  total INTEGER NOT NULL DEFAULT 0,
  round INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE pictures (
  id INTEGER PRIMARY KEY,
  data INTEGER NOT NULL REFERENCES data(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  path TEXT NOT NULL,
  name TEXT NOT NULL,
  split TEXT NOT NULL,
  labels TEXT NOT NULL,
  boxes TEXT NOT NULL,
  width INTEGER NOT NULL DEFAULT 0,
  height INTEGER NOT NULL DEFAULT 0,
  side INTEGER NOT NULL DEFAULT 0,
  wrong REAL NOT NULL DEFAULT -1,
  suggested TEXT NOT NULL DEFAULT '',
  like_label INTEGER,
  like_suggested INTEGER,
  alike INTEGER NOT NULL DEFAULT 0,
  findings INTEGER NOT NULL DEFAULT 0,
  decision TEXT NOT NULL DEFAULT '',
  new_labels TEXT,
  new_boxes TEXT,
  round INTEGER NOT NULL DEFAULT 0,
  UNIQUE (data, path)
);
CREATE INDEX pictures_number ON pictures (data, number, id);
CREATE INDEX pictures_wrong ON pictures (data, wrong DESC, id);
CREATE INDEX pictures_alike ON pictures (data, alike, id) WHERE alike > 0;
CREATE INDEX pictures_findings ON pictures (data, findings DESC, id);
CREATE INDEX pictures_side ON pictures (data, side, id);
CREATE INDEX pictures_decision ON pictures (data, decision, id);
CREATE TABLE shown (
  class INTEGER NOT NULL,
  picture INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
  PRIMARY KEY (picture, class)
) WITHOUT ROWID;
CREATE INDEX shown_class ON shown (class, picture);
CREATE TABLE models (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL,
  data INTEGER NOT NULL REFERENCES data(id) ON DELETE CASCADE,
  UNIQUE (path, data)
);
CREATE TABLE predictions (
  model INTEGER NOT NULL REFERENCES models(id) ON DELETE CASCADE,
  picture INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
  label TEXT NOT NULL,
  score REAL NOT NULL,
  unsure REAL NOT NULL,
  mistake REAL NOT NULL,
  found TEXT NOT NULL,
  PRIMARY KEY (model, picture)
) WITHOUT ROWID;
CREATE INDEX predictions_unsure ON predictions (model, unsure DESC, picture);
CREATE INDEX predictions_mistake ON predictions (model, mistake DESC, picture);
CREATE INDEX predictions_label ON predictions (model, label, picture);
CREATE INDEX predictions_picture ON predictions (picture);
CREATE TABLE findings (
  picture INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
  level TEXT NOT NULL,
  kind TEXT NOT NULL,
  words TEXT NOT NULL,
  box TEXT,
  other INTEGER
);
CREATE INDEX findings_picture ON findings (picture);
CREATE INDEX findings_kind ON findings (kind, picture);
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY,
  data INTEGER NOT NULL REFERENCES data(id) ON DELETE CASCADE,
  picture INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
  decision TEXT NOT NULL,
  new_labels TEXT,
  new_boxes TEXT,
  before TEXT NOT NULL,
  undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX decisions_data ON decisions (data, undone, id);
