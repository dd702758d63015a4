"""What the studio keeps: history, favourites, collections, the gallery, shares, reports, zip."""

import io
import time
import zipfile

import pytest
from starlette.testclient import TestClient

from live_server import draw_all
from nonette.core.flat import FlatEngine
from nonette.server.app import create_app
from nonette.server.settings import load
from nonette.server.worker import WorkerLoop


@pytest.fixture
def studio(tmp_path):
    """A client of an open server, and a way for others to come in."""
    settings = load(
        data_dir=tmp_path / "data", models=("flat",), host="0.0.0.0", gallery_is_public=True
    )
    with TestClient(create_app(settings), "http://127.0.0.1") as client:
        house = client.app.state.house
        client.loop = WorkerLoop(FlatEngine(native_size=(16, 16)), house.database, settings)
        yield client


def person(studio, name="Ann", **facts):
    """Somebody with a key, as a client of their own."""
    accounts = studio.app.state.house.accounts
    account = accounts.add(name, **facts)
    headers = {"Authorization": f"Bearer {accounts.new_key(account)}"}
    return TestClient(studio.app, "http://127.0.0.1", headers=headers)


def draw(studio, who, *prompts, num_pictures=1):
    """The pictures of these sentences, drawn one after the other."""
    for prompt in prompts:
        wish = {"prompt": prompt, "num_pictures": num_pictures, "seed": 1}
        assert who.post("/api/jobs", json=wish).status_code == 202
        draw_all(studio.loop)
    return who.get("/api/pictures").json()["data"]


def prompts(answer):
    return [one["prompt"] for one in answer.json()["data"]]


def test_history_is_searched_by_all_words_and_paged(studio):
    ann, eve = person(studio), person(studio, "Eve")
    draw(studio, eve, "a fox of Eve's")
    draw(studio, ann, "a red Fox", "a 100% blue fox", "un chat bleu")
    assert prompts(ann.get("/api/pictures")) == ["un chat bleu", "a 100% blue fox", "a red Fox"]
    assert prompts(ann.get("/api/pictures?search=FOX")) == ["a 100% blue fox", "a red Fox"]
    assert prompts(ann.get("/api/pictures?search=fox blue")) == ["a 100% blue fox"]
    assert prompts(ann.get("/api/pictures", params={"search": "%"})) == ["a 100% blue fox"]
    assert prompts(ann.get("/api/pictures", params={"search": "_"})) == []
    first = ann.get("/api/pictures?limit=2").json()["data"]
    rest = ann.get(f"/api/pictures?before={first[-1]['number']}")
    assert prompts(rest) == ["a red Fox"]


def test_favourites_and_collections(studio):
    ann, eve = person(studio), person(studio, "Eve")
    one, two = draw(studio, ann, "one", "two")[::-1]
    ann.patch(f"/api/pictures/{one['id']}", json={"is_favourite": True})
    assert prompts(ann.get("/api/pictures?favourites=true")) == ["one"]
    made = ann.post("/api/collections", json={"name": "Foxes"})
    assert made.status_code == 201
    url = f"/api/collections/{made.json()['id']}"
    for _ in range(2):
        ann.put(f"{url}/pictures/{one['id']}")
    assert ann.put(f"{url}/pictures/{two['id']}").json()["pictures"] == [two["id"], one["id"]]
    assert prompts(ann.get(f"/api/pictures?collection={made.json()['id']}")) == ["two", "one"]
    assert ann.delete(f"{url}/pictures/{two['id']}").json()["pictures"] == [one["id"]]
    assert ann.post("/api/collections", json={"name": "Foxes"}).status_code == 409
    for method, path in (("PUT", f"{url}/pictures/{one['id']}"), ("DELETE", url)):
        assert eve.request(method, path).status_code == 404
    ann.delete(f"/api/pictures/{one['id']}")
    assert ann.get("/api/collections").json()["data"][0]["pictures"] == []
    assert ann.delete(url).status_code == 204
    assert ann.get("/api/collections").json()["data"] == []


def test_a_picture_that_is_deleted_is_gone_with_its_file(studio):
    ann = person(studio)
    (one,) = draw(studio, ann, "one")
    folder = studio.app.state.house.settings.data_dir / "pictures"
    assert ann.get(one["url"]).status_code == 200
    assert ann.delete(f"/api/pictures/{one['id']}").status_code == 204
    assert ann.get(one["url"]).status_code == 404
    assert list(folder.rglob("*.png")) == []
    assert ann.get(f"/api/jobs/{one['job_id']}").json()["results"] == []


def test_the_gallery_shows_what_is_published_without_prompt_and_owner(studio):
    ann = person(studio)
    (one,) = draw(studio, ann, "a secret fox")
    assert studio.get(f"/api/gallery/{one['id']}/file").status_code == 404
    ann.patch(f"/api/pictures/{one['id']}", json={"is_published": True, "title": "Reynard"})
    answer = studio.get("/api/gallery")
    (shown,) = answer.json()["data"]
    assert shown["title"] == "Reynard"
    assert "secret" not in answer.text and "account" not in answer.text
    content = studio.get(shown["url"]).content
    assert content.startswith(b"\x89PNG") and b"secret" not in content
    ann.patch(f"/api/pictures/{one['id']}", json={"is_published": False})
    assert studio.get("/api/gallery").json()["data"] == []
    assert studio.get(shown["url"]).status_code == 404


def test_the_gallery_tells_sentence_and_maker_where_they_are_to_be_told(studio):
    ann = person(studio)
    (one,) = draw(studio, ann, "a public fox")
    told = {"is_published": True, "tells_prompt": True, "maker": "Ann of the hill"}
    ann.patch(f"/api/pictures/{one['id']}", json=told)
    (shown,) = studio.get("/api/gallery").json()["data"]
    assert (shown["prompt"], shown["maker"]) == ("a public fox", "Ann of the hill")
    link = ann.post("/api/shares", json={"job": one["job_id"]}).json()["url"]
    assert "public" not in studio.get(link).text and "hill" not in studio.get(link).text
    ann.patch(f"/api/pictures/{one['id']}", json={"tells_prompt": False, "maker": ""})
    (shown,) = studio.get("/api/gallery").json()["data"]
    assert (shown["prompt"], shown["maker"]) == (None, "")


def test_a_collection_gets_another_name_unless_it_is_taken(studio):
    ann, eve = person(studio), person(studio, "Eve")
    foxes, cats = (
        ann.post("/api/collections", json={"name": name}).json()["id"] for name in ("Foxes", "Cats")
    )
    assert ann.patch(f"/api/collections/{foxes}", json={"name": " Owls "}).json()["name"] == "Owls"
    taken = ann.patch(f"/api/collections/{cats}", json={"name": "Owls"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
    assert eve.patch(f"/api/collections/{foxes}", json={"name": "Eve's"}).status_code == 404
    assert [one["name"] for one in ann.get("/api/collections").json()["data"]] == ["Cats", "Owls"]


def test_a_gallery_for_those_who_are_let_in(studio, tmp_path):
    settings = load(
        data_dir=tmp_path / "data", models=("flat",), host="0.0.0.0", gallery_is_public=False
    )
    with TestClient(create_app(settings), "http://127.0.0.1") as client:
        assert client.get("/api/gallery").status_code == 401


def test_what_an_operator_takes_down_is_gone_everywhere(studio):
    ann, operator = person(studio), person(studio, "Op", is_operator=True)
    (one,) = draw(studio, ann, "a fox")
    ann.patch(f"/api/pictures/{one['id']}", json={"is_published": True})
    shared = ann.post("/api/shares", json={"job": one["job_id"]}).json()["url"]
    what = {"category": "rights", "message": "<script>alert(1)</script>", "contact": "me"}
    for _ in range(2):
        assert studio.post(f"/api/gallery/{one['id']}/report", json=what).status_code == 202
    assert studio.get("/api/admin/reports").status_code == 401
    assert ann.get("/api/admin/reports").status_code == 403
    first, _ = operator.get("/api/admin/reports").json()["data"]
    assert first["message"] == what["message"]
    decision = {"decision": "remove", "note": "a copy"}
    assert operator.post(f"/api/admin/reports/{first['number']}", json=decision).status_code == 200
    assert operator.get("/api/admin/reports").json()["data"] == []
    assert len(operator.get("/api/admin/reports?state=decided").json()["data"]) == 2
    assert studio.get("/api/gallery").json()["data"] == []
    assert studio.get(shared).status_code == 404
    again = ann.patch(f"/api/pictures/{one['id']}", json={"is_published": True})
    assert (again.status_code, again.json()["error"]["code"]) == (403, "picture_taken_down")
    assert ann.get(one["url"]).status_code == 200


def test_reports_of_one_address_are_bounded(studio):
    ann = person(studio)
    (one,) = draw(studio, ann, "a fox")
    ann.patch(f"/api/pictures/{one['id']}", json={"is_published": True})
    url, what = f"/api/gallery/{one['id']}/report", {"category": "spam"}
    statuses = [studio.post(url, json=what).status_code for _ in range(22)]
    assert statuses == [202] * 20 + [429] * 2


def test_a_share_shows_its_job_until_it_ends_or_is_taken_back(studio, monkeypatch):
    ann, eve = person(studio), person(studio, "Eve")
    one, *_ = draw(studio, ann, "a secret fox", num_pictures=3)
    assert eve.post("/api/shares", json={"job": one["job_id"]}).status_code == 404
    share = ann.post("/api/shares", json={"job": one["job_id"], "days": 2}).json()
    answer = studio.get(share["url"])
    assert len(answer.json()["data"]) == 3 and "secret" not in answer.text
    assert studio.get(answer.json()["data"][0]["url"]).status_code == 200
    assert eve.delete(f"/api/shares/{share['token']}").status_code == 404
    later = time.time() + 3 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        assert studio.get(share["url"]).status_code == 404
    assert studio.get(share["url"]).status_code == 200
    assert ann.delete(f"/api/shares/{share['token']}").status_code == 204
    assert studio.get(share["url"]).status_code == 404
    assert ann.get("/api/shares").json()["data"] == []


def test_a_zip_holds_every_picture_byte_for_byte(studio):
    ann, eve = person(studio), person(studio, "Eve")
    found = draw(studio, ann, "a fox", num_pictures=3)
    ids = [one["id"] for one in found]
    answer = ann.post("/api/pictures/zip", json={"pictures": [*ids, ids[0]]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 3
        for one in found:
            name = f"{one['id']}-{one['seed']}.png"
            assert archive.read(name) == ann.get(one["url"]).content
    assert eve.post("/api/pictures/zip", json={"pictures": ids}).status_code == 404


def test_everything_is_on_the_openapi_page(studio):
    paths = studio.get("/openapi.json").json()["paths"]
    for path in ("/api/pictures", "/api/collections", "/api/gallery", "/api/shares", "/api/jobs"):
        assert path in paths
    undocumented = [
        (path, method)
        for path, methods in paths.items()
        for method, facts in methods.items()
        if not facts.get("description")
    ]
    assert undocumented == []
