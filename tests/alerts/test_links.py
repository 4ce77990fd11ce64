"""Tag values that become link buttons, and those that do not."""

from __future__ import annotations

import pytest

from alerts.links import Link, is_link, links_of
from alerts.templatetags.alert_tags import tag_value

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    "url",
    [
        "https://wiki.example.com/runbook?id=1&x=2#top",
        "http://10.0.0.7:3000/d/abc",
        "http://grafana/d/abc?var-host=db-1",
        "http://localhost:8000/",
        "https://[2001:db8::1]/status",
        "HTTPS://WIKI.EXAMPLE.COM/A",
        "https://bücher.example.com/ä",
        "https://kibana.example.com/app#/discover?_g=(time:(from:now-15m))",
    ],
)
def test_a_web_address_is_a_link(url: str) -> None:
    assert is_link(url)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "db-1",
            "example.com",
            "//example.com/",
            "/etc/passwd",
            "ftp://example.com/",
            "file:///etc/passwd",
            "httpx://example.com",
        ),
        *(
            "http:/example.com",
            "http://",
            "https:",
            "http://?",
            "http://#",
            "http://.",
            "http://-a/",
            "http://a b/",
            "http://[::1",
            "http://example.com:99999/",
            "http://example.com:x/",
        ),
        *("javascript:alert(1)", " javascript:alert(1)", "JAVASCRIPT:alert(1)", "java\tscript:alert(1)"),
        *("vbscript:x", "data:text/html,x", "http:javascript:alert(1)"),
        *(
            "https://exa\nmple.com/",
            "\nhttps://example.com/",
            "https://example.com/\r\nX: y",
            " https://example.com/",
            "https://example.com/ ",
            "https://example.com/\x00",
        ),
        *(
            'https://example.com/"x',
            "https://example.com/<b>",
            "https://example.com/`x`",
            "https:\\\\example.com",
            "https://example.com\\@evil.example.com",
        ),
        *(
            "https://user@example.com/",
            "https://user:pw@example.com/",
            "https://a.example.com@b.example.com/",
            "https://example.com/\u202e",
            "https://ex\u00adample.com/",
        ),
        "https://example.com/" + "x" * 3000,
    ],
)
def test_everything_else_is_text(value: str) -> None:
    assert not is_link(value)
    assert "<a " not in tag_value("name", value)


def test_each_element_of_a_multi_value_tag_is_checked_alone() -> None:
    tags: dict[str, str | list[str]] = {
        "docs": ["https://a.example.com/", "see <b>wiki</b>", "https://b.example.com/"],
        "host": "db-1",
    }
    assert links_of(tags) == [Link("docs 1", "https://a.example.com/"), Link("docs 2", "https://b.example.com/")]
    shown = tag_value("docs", tags["docs"])
    assert shown.count("<a ") == 2
    assert "see &lt;b&gt;wiki&lt;/b&gt;" in shown


def test_a_link_opens_a_new_tab_and_shows_its_target() -> None:
    shown = tag_value("runbook", "https://wiki.example.com/?a=1&b=2")
    assert 'href="https://wiki.example.com/?a=1&amp;b=2"' in shown
    assert 'title="https://wiki.example.com/?a=1&amp;b=2"' in shown
    assert 'rel="noopener noreferrer nofollow"' in shown
    assert 'target="_blank"' in shown
    assert "<span>runbook</span>" in shown
