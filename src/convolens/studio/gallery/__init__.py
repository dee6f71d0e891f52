"""The pictures of a data set as rows: read into the database, looked through, decided on, and written anew.

galleries.py  data that was opened        filling.py      its pictures read into rows
view.py       what is meant by a URL      choosing.py     which pictures those are, in SQL
listing.py    them, a page at a time      picture.py      one of them, with what is known of it
thumbnails.py small pictures, kept        results.py      what the doctor and models say, into rows
decisions.py  decided, undone, redone     changes.py      decisions as the file that `convolens apply` takes
"""
