"""The operator's page: numbers, the queue, who waits, accounts, tiers and keys."""

from __future__ import annotations

import re

import httpx2
import pytest

from live_server import LiveServer


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A server that draws nothing and lets everybody of this machine look after it."""
    tiers = '{"free": {"pictures_per_day": 90}, "supporter": {"weight": 3}, "guest": {}}'
    with LiveServer(tmp_path_factory.mktemp("desk"), "--workers", "0", tiers=tiers) as server:
        yield server


@pytest.fixture
def operator(open_page, desk):
    """Its operator's page, for the person at this machine."""
    page = open_page(f"{desk.url}/?view=operator")
    page.wait_for_selector("nonette-operator dl")
    return page


def account(server, name):
    """The account of that name, as operators see it."""
    all_ = server.client.get("/api/admin/accounts").json()["data"]
    (found,) = (one for one in all_ if one["name"] == name)
    return found


def shown_key(page):
    """The key that is shown once, and gone when its dialog is closed."""
    dialog = page.get_by_role("dialog", name="A new key")
    dialog.wait_for()
    key = dialog.locator("code").inner_text()
    dialog.get_by_role("button", name="Close").click()
    assert re.fullmatch(r"sk-nonette-[0-9a-f]{12}-[\w-]{43}", key)
    page.wait_for_function("key => !document.documentElement.outerHTML.includes(key)", arg=key)
    return key


def status(server, key):
    """What the server answers whoever comes with a key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.get(f"{server.url}/api/session", headers=headers, trust_env=False).status_code


def test_numbers_and_the_queue_are_seen_and_a_job_is_cancelled(operator, desk):
    operator.wait_for_selector("text=Nothing waits or runs.")
    job = desk.submit("a secret hill")
    row = operator.get_by_role("row").filter(has_text="local")
    row.wait_for()
    assert row.get_by_role("cell").nth(1).inner_text() == "9"
    assert "a secret" not in operator.content()
    model = operator.get_by_role("table", name="Models").get_by_role("row").last
    assert model.get_by_role("cell").nth(2).inner_text() == "1"
    row.get_by_role("button", name="Cancel the job of local").click()
    operator.wait_for_selector("text=Nothing waits or runs.")
    assert desk.client.get(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"


def test_who_waits_is_let_in_with_a_key_that_is_shown_once(operator, desk):
    wish = {"name": "Mary", "email": "mary@example.org", "about": "A book about the stars."}
    assert desk.client.post("/api/waitlist", json=wish).status_code == 202
    operator.reload()
    row = operator.get_by_role("table", name="Waiting list").get_by_role("row").last
    assert "A book about the stars." in row.inner_text()
    row.get_by_role("button", name="Let in Mary").click()
    assert status(desk, shown_key(operator)) == 200
    operator.wait_for_selector("text=Nobody waits.")
    assert account(desk, "Mary")["state"] == "active"


def test_who_waits_is_declined(operator, desk):
    desk.client.post("/api/waitlist", json={"name": "Spam", "email": "spam@example.org"})
    operator.reload()
    operator.get_by_role("button", name="Decline Spam").click()
    operator.get_by_role("alertdialog").get_by_role("button", name="Suspend").click()
    operator.wait_for_selector("text=Nobody waits.")
    assert account(desk, "Spam")["state"] == "suspended"


def test_an_account_is_added_gets_keys_and_a_tier_and_is_put_out(operator, desk):
    form = operator.get_by_role("form", name="Add an account")
    form.get_by_label("Name").fill("Ada")
    form.get_by_role("button", name="Add an account").click()
    first = shown_key(operator)
    row = operator.get_by_role("table", name="Accounts").get_by_role("row").filter(has_text="Ada")
    row.get_by_role("button", name="New key for Ada").click()
    second = shown_key(operator)
    prefix = first.split("-")[2]
    row.get_by_role("button", name=f"Revoke the key {prefix}").click()
    sure = operator.get_by_role("alertdialog", name=f"Revoke the key {prefix} for good?")
    sure.get_by_role("button", name="Revoke").click()
    row.get_by_text("revoked").wait_for()
    assert (status(desk, first), status(desk, second)) == (403, 200)
    row.get_by_label("Tier of Ada").select_option("supporter")
    operator.wait_for_selector("text=Ada has the tier supporter from now on.")
    assert account(desk, "Ada")["tier"] == "supporter"
    row.get_by_role("button", name="Suspend Ada").click()
    operator.get_by_role("alertdialog").get_by_role("button", name="Suspend").click()
    row.get_by_role("button", name="Let in again: Ada").wait_for()
    assert status(desk, second) == 403


def test_an_address_that_is_there_already_is_said_beside_the_form(operator, desk):
    desk.client.post("/api/admin/accounts", json={"name": "Eve", "email": "eve@example.org"})
    form = operator.get_by_role("form", name="Add an account")
    form.get_by_label("Name").fill("Another Eve")
    form.get_by_label("E-mail").fill("eve@example.org")
    form.get_by_role("button", name="Add an account").click()
    alert = form.get_by_role("alert")
    alert.wait_for()
    assert "an account with it is there already" in alert.inner_text()


def test_tiers_and_their_quotas_are_told(operator):
    free = operator.get_by_role("table", name="Tiers and quotas").get_by_role("row").nth(1)
    free.wait_for()
    assert free.get_by_role("cell").all_inner_texts() == ["1", "–", "–", "90"]


def test_only_operators_have_the_page(open_page, tmp_path, run_python):
    with LiveServer(tmp_path, "--workers", "0", api_keys="always") as server:
        folder = ("--data-dir", str(server.data_dir))
        admin = ("-m", "nonette.cli", "admin", "add")
        for name, options, is_there in (("Ada", (), False), ("Op", ("--operator",), True)):
            made = run_python(*admin, name, *options, *folder)
            page = open_page(server.url)
            page.get_by_label("Your key").fill(re.search(r"sk-nonette-[\w-]+", made.stdout)[0])
            page.get_by_role("button", name="Enter").click()
            page.wait_for_selector("dialog[open]", state="detached")
            assert page.get_by_role("button", name="Server").is_visible() == is_there
        page.get_by_role("button", name="Server").click()
        row = page.get_by_role("table", name="Accounts").get_by_role("row").last
        row.wait_for()
        assert "operator" in row.inner_text()


@pytest.mark.parametrize("width", [320, 768, 3840])
@pytest.mark.parametrize("view", ["history", "gallery", "operator"])
def test_no_room_is_wider_than_the_window(open_page, crowded, view, width):
    size = {"width": width, "height": 800}
    page = open_page(f"{crowded.url}/?view={view}", viewport=size, locale="fr-FR")
    page.wait_for_selector(f"nonette-{view} :is(.strip img, .cards img, .plain-table .stamp)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
