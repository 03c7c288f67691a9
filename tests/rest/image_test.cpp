#include <filesystem>
#include <fstream>

#include <stdlib.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cloudos/images.hpp"
#include "rest/image_codec.hpp"
#include "rest/support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kImages = "/image/v2/images";
const HeaderList kPatchV21{{"Content-Type", "application/openstack-images-v2.1-json-patch"}};
const HeaderList kPatchV20{{"Content-Type", "application/openstack-images-v2.0-json-patch"}};
const HeaderList kOctets{{"Content-Type", "application/octet-stream"}};

std::string new_image(Site& site, const std::string& token, json body = json::object()) {
  if (!body.contains("name")) body["name"] = "x";
  if (!body.contains("disk_format")) body["disk_format"] = "raw";
  if (!body.contains("container_format")) body["container_format"] = "bare";
  const Answer answer = site.send("POST", kImages, body.dump(), token);
  INFO(answer.text);
  REQUIRE(answer.status == 201);
  return answer.json()["id"];
}
std::string image_with(Site& site, const std::string& token, const std::string& data,
                       json body = json::object()) {
  const std::string id = new_image(site, token, std::move(body));
  const Answer put = site.send("PUT", kImages + "/" + id + "/file", data, token, kOctets);
  INFO(put.text);
  REQUIRE(put.status == 204);
  return id;
}
std::string image_names(const Answer& answer) {
  std::string all;
  const json body = answer.json();
  if (!body.contains("images")) return "status " + std::to_string(answer.status);
  for (const json& image : body["images"])
    all += (all.empty() ? "" : " ") + image["name"].get<std::string>();
  return all;
}
std::string project_of(Site& site, const std::string& token) {
  const auto valid = site.cloud->identity().validate(token);
  REQUIRE(valid);
  return valid->context("").project.value;
}

}  // namespace

TEST_CASE("image: a create answers 201 with every attribute and where the image is") {
  Site site;
  const Answer answer = site.post(
      kImages, {{"name", "debian"}, {"disk_format", "qcow2"}, {"container_format", "bare"},
                {"min_disk", 2}, {"min_ram", 256}, {"protected", false}, {"tags", {"a", "b"}},
                {"visibility", "private"}, {"owner_specified.openstack.md5", ""},
                {"os_distro", "debian"}});
  REQUIRE(answer.status == 201);
  const json image = answer.json();
  const std::string id = image["id"];
  CHECK(answer.headers.get("Location") == "http://cloud.test:5000/image/v2/images/" + id);
  CHECK(answer.headers.get("OpenStack-image-import-methods") ==
        "glance-direct,web-download,copy-image");
  CHECK(answer.headers.get("OpenStack-image-store-ids") == "file");
  const json expected{{"name", "debian"},
                      {"status", "queued"},
                      {"visibility", "private"},
                      {"protected", false},
                      {"os_hidden", false},
                      {"owner", project_of(site, site.admin)},
                      {"checksum", nullptr},
                      {"os_hash_algo", nullptr},
                      {"os_hash_value", nullptr},
                      {"size", nullptr},
                      {"virtual_size", nullptr},
                      {"container_format", "bare"},
                      {"disk_format", "qcow2"},
                      {"min_disk", 2},
                      {"min_ram", 256},
                      {"tags", {"a", "b"}},
                      {"self", "/v2/images/" + id},
                      {"file", "/v2/images/" + id + "/file"},
                      {"schema", "/v2/schemas/image"},
                      {"owner_specified.openstack.md5", ""},
                      {"os_distro", "debian"}};
  for (const auto& [name, value] : expected.items()) {
    CAPTURE_BOUND(name);
    CHECK(image[name] == value);
  }
  CHECK(image["created_at"] == image["updated_at"]);
  CHECK(image.size() == expected.size() + 3);  // id and two times
  CHECK(site.get(kImages + "/" + id).json() == image);
}

TEST_CASE("image: create refuses what the schema does not allow") {
  Site site;
  const std::string member = site.add_user("alice");
  struct Row {
    std::string what;
    std::string body;
    int status;
  };
  const Row rows[] = {
      {"nothing but an object", "{}", 201},
      {"no name", R"({"name": null})", 201},
      {"unset formats", R"({"disk_format": null, "container_format": null})", 201},
      {"an id", R"({"id": "11111111-2222-3333-4444-555555555555"})", 201},
      {"the id again", R"({"id": "11111111-2222-3333-4444-555555555555"})", 409},
      {"an id that is none", R"({"id": "../x"})", 400},
      {"a list", "[]", 400},
      {"text", "\"x\"", 400},
      {"broken JSON", "{", 400},
      {"numeric name", R"({"name": 1})", 400},
      {"long name", R"({"name": ")" + std::string(256, 'n') + "\"}", 400},
      {"unknown disk format", R"({"disk_format": "floppy"})", 400},
      {"unknown container format", R"({"container_format": "box"})", 400},
      {"disk format of another type", R"({"disk_format": []})", 400},
      {"unknown visibility", R"({"visibility": "secret"})", 400},
      {"no visibility", R"({"visibility": null})", 400},
      {"public by a member", R"({"visibility": "public"})", 403},
      {"another's image", R"({"owner": "somebody"})", 403},
      {"negative size", R"({"min_disk": -1})", 400},
      {"fraction", R"({"min_ram": 1.5})", 400},
      {"huge size", R"({"min_ram": 99999999999999999999})", 400},
      {"size as text", R"({"min_ram": "1"})", 400},
      {"flag as text", R"({"protected": "yes"})", 400},
      {"tags as text", R"({"tags": "a"})", 400},
      {"numeric tag", R"({"tags": [1]})", 400},
      {"numeric property", R"({"os_distro": 1})", 400},
      {"nested property", R"({"os_distro": {"a": "b"}})", 400},
      {"read-only status", R"({"status": "active"})", 403},
      {"read-only size", R"({"size": 1})", 403},
      {"read-only checksum", R"({"checksum": "0"})", 403},
      {"read-only hash", R"({"os_hash_value": "0"})", 403},
      {"a location", R"({"locations": "file:///etc/passwd"})", 403},
      {"location of old", R"({"location": "file:///etc/passwd"})", 403},
      {"stores", R"({"stores": "file"})", 403},
      {"the service's own words", R"({"os_glance_importing_to_stores": "x"})", 403},
      {"a property of no name", R"({"": "x"})", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send("POST", kImages, row.body, member);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
  }
}

TEST_CASE("image: data goes up and comes down whole or in ranges") {
  Site site;
  const std::string id = new_image(site, site.admin);
  const std::string file = kImages + "/" + id + "/file";
  CHECK(site.get(file).status == 204);  // No data yet.
  CHECK(site.send("PUT", file, "0123456789", site.admin).status == 415);
  CHECK(site.send("PUT", file, "0123456789", site.admin, kOctets).status == 204);
  CHECK(site.send("PUT", file, "0123456789", site.admin, kOctets).status == 409);
  const json image = site.get(kImages + "/" + id).json();
  CHECK(image["status"] == "active");
  CHECK(image["size"] == 10);
  CHECK(image["checksum"] == "781e5e245d69b566979b86e28d23f2c7");
  CHECK(image["os_hash_algo"] == "sha512");
  CHECK(image["os_hash_value"].get<std::string>().size() == 128);
  struct Row {
    const char* range;
    int status;
    const char* body;
    const char* content_range;
  };
  const Row rows[] = {
      {"", 200, "0123456789", ""},
      {"bytes=0-3", 206, "0123", "bytes 0-3/10"},
      {"bytes=8-", 206, "89", "bytes 8-9/10"},
      {"bytes=8-99999999999", 206, "89", "bytes 8-9/10"},
      {"bytes=0-18446744073709551615", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=-3", 206, "789", "bytes 7-9/10"},
      {"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=9-9", 206, "9", "bytes 9-9/10"},
      {"bytes=10-", 416, nullptr, "bytes */10"},
      {"bytes=-0", 416, nullptr, "bytes */10"},
      {"bytes=3-1", 200, "0123456789", ""},
      {"bytes=0-1,3-4", 200, "0123456789", ""},
      {"bytes=x-y", 200, "0123456789", ""},
      {"bytes=-", 200, "0123456789", ""},
      {"bytes=99999999999999999999-", 200, "0123456789", ""},
      {"lines=1-2", 200, "0123456789", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.range);
    HeaderList headers;
    if (*row.range) headers.emplace_back("Range", row.range);
    const Answer answer = site.send("GET", file, "", site.admin, headers);
    CHECK(answer.status == row.status);
    if (row.body) CHECK(answer.text == row.body);
    CHECK(answer.headers.get("Content-Range") == row.content_range);
    const bool whole = answer.text == "0123456789";
    CHECK(answer.headers.has("Content-MD5") == whole);
  }
}

TEST_CASE("image: a cloud on disk answers downloads with the file itself") {
  std::string folder = (std::filesystem::temp_directory_path() / "cloudos-rest-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  {
    Options options;
    options.data_dir = folder;
    Site site(std::move(options));
    const std::string id = image_with(site, site.admin, "0123456789");
    rest::Request request;
    request.method = "GET";
    request.target = kImages + "/" + id + "/file";
    request.headers.add("X-Auth-Token", site.admin);
    request.headers.add("Range", "bytes=2-5");
    const auto response = site.router->handle(request);
    CHECK(response.status == 206);
    const auto* range = std::get_if<rest::FileRange>(&response.body);
    REQUIRE(range != nullptr);
    CHECK(range->offset == 2);
    CHECK(range->length == 4);
    CHECK(std::filesystem::file_size(range->path) == 10);
    CHECK(site.send("DELETE", kImages + "/" + id, "", site.admin).status == 204);
    site.settle();
    CHECK_FALSE(std::filesystem::exists(range->path));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("image: refused data is a 400 that says why, and the image stays queued") {
  Site site;
  const std::string id = new_image(site, site.admin, {{"disk_format", "raw"}});
  std::string qcow2("QFI\xfb\0\0\0\3\0\0\0\0\0\0\2\0", 16);
  qcow2.resize(1'024);
  const Answer refused = site.send("PUT", kImages + "/" + id + "/file", qcow2, site.admin,
                                   {{"Content-Type", "application/octet-stream"},
                                    {"Accept", "text/plain"}});
  CHECK(refused.status == 400);
  CHECK(refused.text.find("backing file") != std::string::npos);
  CHECK(site.get(kImages + "/" + id).json()["status"] == "queued");
  // Data of no bytes is data, as the API has it: there is nothing to say against it.
  CHECK(site.send("PUT", kImages + "/" + id + "/file", "", site.admin, kOctets).status == 204);
  CHECK(site.get(kImages + "/" + id).json()["size"] == 0);
}

TEST_CASE("image: patches of both dialects change attributes and properties in order") {
  Site site;
  struct Row {
    std::string what;
    HeaderList type;
    json body;
    int status;
    json shows;
  };
  const Row rows[] = {
      {"replace", kPatchV21, {{{"op", "replace"}, {"path", "/name"}, {"value", "new"}}}, 200,
       {{"name", "new"}}},
      {"replace, older", kPatchV20, {{{"replace", "/name"}, {"value", "new"}}}, 200,
       {{"name", "new"}}},
      {"add property", kPatchV21, {{{"op", "add"}, {"path", "/p"}, {"value", "1"}}}, 200,
       {{"p", "1"}}},
      {"add property, older", kPatchV20, {{{"add", "/p"}, {"value", "1"}}}, 200, {{"p", "1"}}},
      {"add what is there, older", kPatchV20, {{{"add", "/old"}, {"value", "1"}}}, 409, {}},
      {"add an attribute, older", kPatchV20, {{{"add", "/name"}, {"value", "1"}}}, 409, {}},
      {"two operations in one, older", kPatchV20,
       {{{"add", "/p"}, {"replace", "/name"}, {"value", "1"}}}, 400, {}},
      {"no own words", kPatchV21, {{{"op", "add"}, {"path", "/os_glance_x"}, {"value", "1"}}}, 403,
       {}},
      {"add twice", kPatchV21, {{{"op", "add"}, {"path", "/old"}, {"value", "1"}}}, 200,
       {{"old", "1"}}},
      {"replace property", kPatchV21, {{{"op", "replace"}, {"path", "/old"}, {"value", "2"}}}, 200,
       {{"old", "2"}}},
      {"remove property", kPatchV21, {{{"op", "remove"}, {"path", "/old"}}}, 200,
       {{"old", nullptr}}},
      {"remove property, older", kPatchV20, {{{"remove", "/old"}}}, 200, {{"old", nullptr}}},
      {"escaped name", kPatchV21, {{{"op", "add"}, {"path", "/a~1b~0c"}, {"value", "1"}}}, 200,
       {{"a/b~c", "1"}}},
      {"tags", kPatchV21, {{{"op", "replace"}, {"path", "/tags"}, {"value", {"t"}}}}, 200,
       {{"tags", {"t"}}}},
      {"in order", kPatchV21,
       {{{"op", "add"}, {"path", "/p"}, {"value", "1"}},
        {{"op", "remove"}, {"path", "/p"}},
        {{"op", "add"}, {"path", "/p"}, {"value", "2"}}},
       200, {{"p", "2"}}},
      {"flags and numbers", kPatchV21,
       {{{"op", "replace"}, {"path", "/protected"}, {"value", true}},
        {{"op", "replace"}, {"path", "/os_hidden"}, {"value", true}},
        {{"op", "replace"}, {"path", "/min_disk"}, {"value", 7}},
        {{"op", "replace"}, {"path", "/visibility"}, {"value", "public"}}},
       200, {{"protected", true}, {"os_hidden", true}, {"min_disk", 7}, {"visibility", "public"}}},
      {"nothing", kPatchV21, json::array(), 200, {{"name", "x"}}},
      {"property that is not there", kPatchV21,
       {{{"op", "replace"}, {"path", "/none"}, {"value", "1"}}}, 409, {}},
      {"remove what is not there", kPatchV21, {{{"op", "remove"}, {"path", "/none"}}}, 409, {}},
      {"remove an attribute", kPatchV21, {{{"op", "remove"}, {"path", "/name"}}}, 403, {}},
      {"read-only", kPatchV21, {{{"op", "replace"}, {"path", "/status"}, {"value", "active"}}},
       403, {}},
      {"id", kPatchV21, {{{"op", "replace"}, {"path", "/id"}, {"value", "x"}}}, 403, {}},
      {"hash", kPatchV21, {{{"op", "add"}, {"path", "/os_hash_value"}, {"value", "x"}}}, 403, {}},
      {"locations", kPatchV21, {{{"op", "add"}, {"path", "/locations"}, {"value", "file:///x"}}},
       400, {}},
      {"a location that nobody sees", kPatchV21,
       {{{"op", "add"},
         {"path", "/locations/-"},
         {"value", {{"url", "http://a/b"}, {"metadata", json::object()}}}}},
       403, {}},
      {"a position that is none", kPatchV21, {{{"op", "remove"}, {"path", "/locations/x"}}}, 400,
       {}},
      {"an empty part", kPatchV21, {{{"op", "add"}, {"path", "/a/"}, {"value", "x"}}}, 400, {}},
      {"no pointer", kPatchV21, {{{"op", "replace"}, {"path", "name"}, {"value", "x"}}}, 400, {}},
      {"empty pointer", kPatchV21, {{{"op", "replace"}, {"path", "/"}, {"value", "x"}}}, 400, {}},
      {"deep pointer", kPatchV21, {{{"op", "add"}, {"path", "/tags/0"}, {"value", "x"}}}, 400, {}},
      {"broken escape", kPatchV21, {{{"op", "add"}, {"path", "/a~2"}, {"value", "x"}}}, 400, {}},
      {"escape at the end", kPatchV21, {{{"op", "add"}, {"path", "/a~"}, {"value", "x"}}}, 400,
       {}},
      {"unknown operation", kPatchV21, {{{"op", "move"}, {"path", "/name"}, {"value", "x"}}}, 400,
       {}},
      {"no operation", kPatchV20, {{{"value", "x"}}}, 400, {}},
      {"no value", kPatchV21, {{{"op", "replace"}, {"path", "/name"}}}, 400, {}},
      {"no object", kPatchV21, {1}, 400, {}},
      {"an object", kPatchV21, json::object(), 400, {}},
      {"number as property", kPatchV21, {{{"op", "add"}, {"path", "/p"}, {"value", 1}}}, 400, {}},
      {"plain JSON", {{"Content-Type", "application/json"}}, json::array(), 415, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string id = new_image(site, site.admin, {{"old", "0"}});
    const Answer answer =
        site.send("PATCH", kImages + "/" + id, row.body.dump(), site.admin, row.type);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    const json image = site.get(kImages + "/" + id).json();
    if (row.status == 200) CHECK(answer.json() == image);
    for (const auto& [name, value] : row.shows.items()) {
      CAPTURE_BOUND(name);
      CHECK((image.contains(name) ? image[name] : json()) == value);
    }
    if (row.status != 200) CHECK(image["old"] == "0");
  }
}

TEST_CASE("image: lists are filtered, sorted and paged as the query says") {
  Site site;
  const auto add = [&](json body) {
    const std::string id = new_image(site, site.admin, std::move(body));
    site.clock->advance(std::chrono::seconds(1));
    return id;
  };
  const std::string a = add({{"name", "a"}, {"tags", {"red", "old"}}, {"os_distro", "debian"}});
  site.send("PUT", kImages + "/" + a + "/file", "12345", site.admin, kOctets);
  add({{"name", "b"}, {"disk_format", "iso"}, {"visibility", "public"}, {"tags", {"red"}}});
  add({{"name", "c,d"}, {"protected", true}, {"container_format", "ova"}});
  add({{"name", "h"}, {"os_hidden", true}});
  struct Row {
    const char* query;
    const char* found;
  };
  const Row rows[] = {
      {"", "c,d b a"},
      {"?name=a", "a"},
      {"?name=in:a,b", "b a"},
      {"?name=in:a,%22c,d%22", "c,d a"},
      {"?name=none", ""},
      {"?status=active", "a"},
      {"?status=in:active,queued", "c,d b a"},
      {"?visibility=public", "b"},
      {"?visibility=all", "c,d b a"},
      {"?disk_format=iso", "b"},
      {"?container_format=ova", "c,d"},
      {"?tag=red", "b a"},
      {"?tag=red&tag=old", "a"},
      {"?size_min=5&size_max=5", "a"},
      {"?size_min=6", ""},
      {"?protected=True", "c,d"},
      {"?os_hidden=true", "h"},
      {"?os_distro=debian", "a"},
      {"?os_distro=arch", ""},
      {"?created_at=gt:2001-01-01T00:00:00Z", "c,d b a"},
      {"?created_at=lt:2001-01-01T00:00:00Z", ""},
      {"?updated_at=gte:2001-01-01T00:00:00Z&name=a", "a"},
      {"?sort=name:asc", "a b c,d"},
      {"?sort=status:asc,name:desc", "a c,d b"},
      {"?sort_key=name&sort_dir=asc", "a b c,d"},
      {"?sort_key=name", "c,d b a"},
      {"?sort_key=status&sort_dir=asc&sort_key=name&sort_dir=desc", "a c,d b"},
      {"?sort_dir=asc", "a b c,d"},
      {"?owner=nobody", ""},
      {"?limit=2", "c,d b"},
      {"?limit=bogus", "status 400"},
      {"?limit=-1", "status 400"},
      {"?marker=bogus", "status 400"},
      {"?sort=bogus", "status 400"},
      {"?sort=name:up", "status 400"},
      {"?sort=name&sort_key=id", "status 400"},
      {"?sort_key=bogus", "status 400"},
      {"?sort_key=id&sort_key=name&sort_key=size&sort_dir=asc&sort_dir=asc", "status 400"},
      {"?size_min=x", "status 400"},
      {"?size_max=-1", "status 400"},
      {"?status=bogus", "status 400"},
      {"?visibility=bogus", "status 400"},
      {"?member_status=bogus", "status 400"},
      {"?protected=perhaps", "status 400"},
      {"?created_at=yesterday", "status 400"},
      {"?name=in:%22a", "status 400"},
      {"?virtual_size=0", "status 400"},
      {"?size=5", "a"},
      {"?size=4", ""},
      {"?size=x", "status 400"},
      {"?min_disk=0", "c,d b a"},
      {"?min_disk=1", ""},
      {"?min_ram=18446744073709551615", ""},
      {"?min_ram=-1", "status 400"},
      {"?checksum=827ccb0eea8a706c4c34a16891f84e7b", "a"},
      {"?checksum=0", ""},
      {"?os_hash_value=0", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.query);
    CHECK(image_names(site.get(kImages + row.query)) == row.found);
  }
  // Following `next` shows every image once, with the filter kept.
  std::string link = "/v2/images?limit=1&name=in%3Aa%2Cb";
  std::string seen;
  for (int i = 0; i < 5 && !link.empty(); ++i) {
    const Answer page = site.get("/image" + link);
    seen += image_names(page) + ";";
    CHECK(page.json()["first"] == "/v2/images?limit=1&name=in%3Aa%2Cb");
    link = page.json().value("next", "");
  }
  CHECK(seen == "b;a;");
}

TEST_CASE("image: a path that ends where an id should be names no image, not all of them") {
  Site site;
  new_image(site, site.admin);
  CHECK(site.get(kImages + "/").status == 404);
  CHECK(site.get(kImages + "/?limit=1").status == 404);
  CHECK(site.send("DELETE", kImages + "/", "", site.admin).status == 404);
  const Answer all = site.send("DELETE", kImages, "", site.admin);
  CHECK(all.status == 405);
  CHECK(all.headers.get("Allow") == "GET, POST");
  CHECK(site.get(kImages).json()["images"].size() == 1);
}

TEST_CASE("image: tags are put and deleted by name") {
  Site site;
  const std::string image = kImages + "/" + new_image(site, site.admin);
  CHECK(site.send("PUT", image + "/tags/a%20b", "", site.admin).status == 204);
  CHECK(site.send("PUT", image + "/tags/a%20b", "", site.admin).status == 204);
  CHECK(site.get(image).json()["tags"] == json{"a b"});
  CHECK(site.send("DELETE", image + "/tags/a%20b", "", site.admin).status == 204);
  CHECK(site.send("DELETE", image + "/tags/a%20b", "", site.admin).status == 404);
  CHECK(site.send("PUT", image + "/tags/" + std::string(256, 't'), "", site.admin).status == 400);
}

TEST_CASE("image: another project's image looks as if it were not there, on every route") {
  Site site;
  const std::string alice = site.add_user("alice");
  const std::string eve = site.add_user("eve");
  const std::string reader = site.add_user("rita", "reader");
  const std::string id = image_with(site, alice, "data");
  const std::string image = kImages + "/" + id;
  const std::string readers = kImages + "/" + new_image(site, site.admin,
                                                       {{"owner", project_of(site, reader)}});
  struct Row {
    const char* method;
    const char* path;
    const char* body;
    HeaderList headers;
    bool reads;
  };
  const Row rows[] = {
      {"GET", "", "", {}, true},
      {"PATCH", "", "[]", kPatchV21, false},
      {"DELETE", "", "", {}, false},
      {"GET", "/file", "", {}, true},
      {"PUT", "/file", "x", kOctets, false},
      {"PUT", "/tags/t", "", {}, false},
      {"DELETE", "/tags/t", "", {}, false},
      {"POST", "/actions/deactivate", "", {}, false},
      {"POST", "/actions/reactivate", "", {}, false},
      {"GET", "/members", "", {}, true},
      {"POST", "/members", R"({"member": "m"})", {}, false},
      {"GET", "/members/m", "", {}, true},
      {"PUT", "/members/m", R"({"status": "accepted"})", {}, false},
      {"DELETE", "/members/m", "", {}, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method);
    CAPTURE(row.path);
    CHECK(site.send(row.method, image + row.path, row.body, eve, row.headers).status == 404);
    CHECK(site.send(row.method, image + row.path, row.body, "", row.headers).status == 401);
    CHECK(site.send(row.method, kImages + "/none" + row.path, row.body, eve, row.headers).status ==
          404);
    const int status =
        site.send(row.method, readers + row.path, row.body, reader, row.headers).status;
    CHECK((status == 403) == !row.reads);
  }
  CHECK(image_names(site.send("GET", kImages, "", eve)).empty());
  CHECK(site.send("GET", kImages + "?owner=" + project_of(site, alice), "", eve).json()["images"] ==
        json::array());
  CHECK(site.send("GET", kImages + "?marker=" + id, "", eve).status == 400);
}

TEST_CASE("image: a shared image is offered to a member, who accepts it") {
  Site site;
  const std::string alice = site.add_user("alice");
  const std::string bob = site.add_user("bob");
  const std::string bobs = project_of(site, bob);
  const std::string id = new_image(site, alice, {{"name", "s"}});
  const std::string members = kImages + "/" + id + "/members";
  const Answer added = site.send("POST", members, json{{"member", bobs}}.dump(), alice);
  REQUIRE(added.status == 200);
  CHECK(added.json()["member_id"] == bobs);
  CHECK(added.json()["image_id"] == id);
  CHECK(added.json()["status"] == "pending");
  CHECK(added.json()["schema"] == "/v2/schemas/member");
  CHECK(site.send("POST", members, json{{"member", bobs}}.dump(), alice).status == 409);
  CHECK(site.send("POST", members, "{}", alice).status == 400);
  CHECK(image_names(site.send("GET", kImages, "", bob)) == "");
  const std::string pending = kImages + "?member_status=pending&visibility=shared";
  CHECK(image_names(site.send("GET", pending, "", bob)) == "s");
  const std::string accept = R"({"status": "accepted"})";
  CHECK(site.send("PUT", members + "/" + bobs, accept, alice).status == 403);
  CHECK(site.send("PUT", members + "/" + bobs, R"({"status": "maybe"})", bob).status == 400);
  CHECK(site.send("PUT", members + "/" + bobs, accept, bob).status == 200);
  CHECK(image_names(site.send("GET", kImages, "", bob)) == "s");
  CHECK(image_names(site.send("GET", kImages + "?member_status=all", "", bob)) == "s");
  CHECK(site.send("GET", members, "", alice).json()["members"].size() == 1);
  CHECK(site.send("GET", members + "/" + bobs, "", bob).json()["status"] == "accepted");
  CHECK(site.send("GET", members + "/nobody", "", alice).status == 404);
  CHECK(site.send("DELETE", members + "/" + bobs, "", alice).status == 204);
  CHECK(site.send("GET", kImages + "/" + id, "", bob).status == 404);
  const std::string open = new_image(site, site.admin, {{"visibility", "public"}});
  CHECK(site.send("GET", kImages + "/" + open + "/members", "", bob).status == 403);
  CHECK(site.get(kImages + "/" + open + "/members").status == 403);
}

TEST_CASE("image: deactivate stops downloads of all but admins, protected stops delete") {
  Site site;
  const std::string alice = site.add_user("alice");
  const std::string id = image_with(site, alice, "data", {{"protected", true}});
  const std::string image = kImages + "/" + id;
  CHECK(site.send("POST", image + "/actions/deactivate", "", alice).status == 204);
  CHECK(site.send("GET", image, "", alice).json()["status"] == "deactivated");
  CHECK(site.send("GET", image + "/file", "", alice).status == 403);
  CHECK(site.get(image + "/file").status == 200);
  CHECK(site.send("POST", image + "/actions/reactivate", "", alice).status == 204);
  CHECK(site.send("GET", image + "/file", "", alice).text == "data");
  CHECK(site.send("DELETE", image, "", alice).status == 403);
  CHECK(site.send("PATCH", image, R"([{"op":"replace","path":"/protected","value":false}])", alice,
                  kPatchV21).status == 200);
  CHECK(site.send("DELETE", image, "", alice).status == 204);
  CHECK(site.send("DELETE", image, "", alice).status == 404);
  CHECK(site.send("GET", image, "", alice).status == 404);
}

TEST_CASE("image: the schemas list exactly what bodies hold, and no attribute is a free property") {
  Site site;
  const json schema = site.get("/image/v2/schemas/image").json();
  CHECK(schema["name"] == "image");
  CHECK(schema["additionalProperties"]["type"] == "string");
  const std::string id = new_image(site, site.admin);
  const json image = site.get(kImages + "/" + id).json();
  // Without data there are no stores; locations and direct_url are hidden.
  CHECK(image.size() + 3 == schema["properties"].size());
  for (const auto& [name, value] : image.items()) {
    CAPTURE_BOUND(name);
    REQUIRE(schema["properties"].contains(name));
    CHECK(is_image_attribute(name));
    const json type = schema["properties"][name]["type"];
    const bool nullable = type.is_array() && type[0] == "null";
    if (value.is_null()) CHECK(nullable);
    // What the schema says cannot be written is refused, and the other way round.
    const bool read_only = schema["properties"][name].value("readOnly", false);
    const json patch{{{"op", "replace"}, {"path", "/" + name}, {"value", value}}};
    const int status =
        site.send("PATCH", kImages + "/" + id, patch.dump(), site.admin, kPatchV21).status;
    if (name == "id") CHECK(status == 403);  // Only at creation.
    else CHECK(status == (read_only ? 403 : 200));
  }
  CHECK(site.get("/image/v2/schemas/images").json()["properties"]["images"]["items"] == schema);
  const json member = site.get("/image/v2/schemas/member").json();
  CHECK(member["properties"]["status"]["enum"] == json{"pending", "accepted", "rejected"});
  CHECK(site.get("/image/v2/schemas/members").json()["properties"]["members"]["items"] == member);
  CHECK(site.get("/image/v2/info/import").json()["import-methods"]["value"] ==
        json{"glance-direct", "web-download", "copy-image"});
  CHECK(site.get("/image/v2/info/stores").json()["stores"][0]["id"] == "file");
}

TEST_CASE("image: protected properties are refused, hidden and kept, by the roles in a file") {
  char folder[] = "/tmp/cloudos-rest-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::filesystem::path rules = std::filesystem::path(folder) / "rules.conf";
  struct Gone {
    std::filesystem::path path;
    ~Gone() { std::filesystem::remove_all(path); }
  } gone{folder};
  {
    std::ofstream file(rules);
    file << "[^x_admin]\ncreate = admin\nread = admin\nupdate = admin\ndelete = admin\n"
            "[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n";
  }
  Options options;
  options.image_rules.property_protection_file = rules;
  Site site(std::move(options));
  const std::string alice = site.add_user("alice");
  const std::string refused = R"({"x_admin_note": "1"})";
  CHECK(site.send("POST", kImages, refused, alice).status == 403);
  const std::string id =
      new_image(site, site.admin, {{"visibility", "public"}, {"x_admin_note", "1"}, {"y", "2"}});
  const std::string image = kImages + "/" + id;
  CHECK(site.get(image).json()["x_admin_note"] == "1");
  const json seen = site.send("GET", image, "", alice).json();
  CHECK_FALSE(seen.contains("x_admin_note"));
  CHECK(seen["y"] == "2");
  CHECK(site.send("GET", kImages + "?x_admin_note=1", "", alice).json()["images"].empty());
  CHECK(site.get(kImages + "?x_admin_note=1").json()["images"].size() == 1);
  const std::string own = new_image(site, alice);
  for (const char* op : {"add", "replace", "remove"}) {
    CAPTURE(op);
    const json patch{{{"op", op}, {"path", "/x_admin_note"}, {"value", "3"}}};
    const int status =
        site.send("PATCH", kImages + "/" + own, patch.dump(), alice, kPatchV21).status;
    CHECK(status == (std::string_view(op) == "add" ? 403 : 409));
  }
}

TEST_CASE("image: data of another format than declared is stored and told, and may be refused") {
  Site site;
  const std::string id = image_with(site, site.admin, "noise", {{"disk_format", "qcow2"}});
  const json image = site.get(kImages + "/" + id).json();
  CHECK(image["status"] == "active");
  CHECK(image["virtual_size"] == nullptr);
  CHECK(image["os_glance_format_problem"] == "it is not qcow2");
  CHECK(site.get(kImages + "/" + id + "/file").text == "noise");
  Options options;
  options.image_rules.require_format_match = true;
  Site strict(std::move(options));
  const std::string other = new_image(strict, strict.admin, {{"disk_format", "qcow2"}});
  const Answer refused =
      strict.send("PUT", kImages + "/" + other + "/file", "noise", strict.admin, kOctets);
  CHECK(refused.status == 400);
  CHECK(strict.get(kImages + "/" + other).json()["status"] == "queued");
}
