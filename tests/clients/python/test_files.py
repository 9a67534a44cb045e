"""Files: uploaded, listed page by page, used, and what cannot be done with them."""

import openai
import pytest

from demo import MODEL


def upload(client, name):
    return client.files.create(file=(name, f"notes of {name}".encode(), "text/plain"), purpose="user_data")


def test_a_file_that_is_uploaded_can_be_looked_up(client):
    file = upload(client, "ada.txt")
    assert (file.object, file.filename, file.purpose, file.bytes) == ("file", "ada.txt", "user_data", 16)
    assert file.expires_at > file.created_at
    assert client.files.retrieve(file.id).filename == "ada.txt"
    assert client.files.wait_for_processing(file.id, max_wait_seconds=5).id == file.id


def test_a_file_of_the_disk_can_be_asked_about(client, tmp_path):
    path = tmp_path / "bob.txt"
    path.write_text("My name is Bob.")
    file = client.files.create(file=path, purpose="user_data")
    content = [{"type": "input_file", "file_id": file.id}, {"type": "input_text", "text": "What does it say?"}]
    assert client.responses.create(model=MODEL, input=[{"role": "user", "content": content}]).output_text
    part = [{"type": "file", "file": {"file_id": file.id}}, {"type": "text", "text": "What does it say?"}]
    assert client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": part}]).choices


def test_neither_content_nor_deletion_is_served(client):
    file = upload(client, "eve.txt")
    for call in (client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            call(file.id)
        assert caught.value.code == "unsupported_endpoint"


def test_an_unknown_file_is_not_found(client):
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            call("file-unknown")
        assert (caught.value.code, caught.value.param) == ("file_not_found", "file_id")


def test_a_list_is_read_page_by_page_newest_first_or_oldest_first(own_client):
    assert own_client.files.list().data == []
    ids = [upload(own_client, f"{number}.txt").id for number in range(5)]
    assert [file.id for file in own_client.files.list(limit=2, order="asc")] == ids
    assert [file.id for file in own_client.files.list(limit=2)] == ids[::-1]
    assert [file.id for file in own_client.files.list(after=ids[1], order="asc")] == ids[2:]
    assert own_client.files.list(purpose="vision").data == []
