-- The boxes that a picture would have if all that is suggested of it were so; NULL where nothing is.
ALTER TABLE pictures ADD COLUMN likely_boxes TEXT;
