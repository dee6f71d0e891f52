from convolens.pages.figures import table
from convolens.pages.html import Part, report


def test_what_no_reader_sees_in_a_name_is_shown_as_escapes():
    name = "a\x1b[2J\u202eb\x00\udce9\tc\nd e"
    page = report(name, "é 路 👩‍👩‍👧", [Part(name, name, [table(("file",), [(name,)], "")])])
    assert page.count("a\\x1b[2J\\u202eb\\x00\\xe9\tc\nd e") >= 4
    assert "é 路 👩‍👩‍👧" in page
    assert not {"\x1b", "\u202e", "\x00", "\udce9"} & set(page)
