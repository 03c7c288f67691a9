#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cloudos/images.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kRoot = "/image/v2";
const HeaderList kBytes{{"Content-Type", "application/octet-stream"}};

std::string queued_image(Site& site, const std::string& token, const char* format = "raw") {
  const json body{{"name", "x"}, {"disk_format", format}, {"container_format", "bare"}};
  const Answer answer = site.send("POST", kRoot + "/images", body.dump(), token);
  INFO(answer.text);
  REQUIRE(answer.status == 201);
  return answer.json()["id"];
}
std::string path_of(const std::string& id, const char* rest) {
  return kRoot + "/images/" + id + rest;
}
Answer import(Site& site, const std::string& token, const std::string& id, const json& body) {
  return site.send("POST", path_of(id, "/import"), body.dump(), token);
}
json method(const char* name) { return {{"method", {{"name", name}}}}; }

}  // namespace

TEST_CASE("import: the methods are listed as clients expect them") {
  Site site;
  const Answer answer = site.get(kRoot + "/info/import");
  CHECK(answer.status == 200);
  CHECK(answer.json()["import-methods"]["type"] == "array");
  CHECK(answer.json()["import-methods"]["value"] ==
        json({"glance-direct", "web-download", "copy-image"}));
}

TEST_CASE("import: staged data becomes the image's, with the API's states and codes") {
  Site site;
  const std::string user = site.add_user("anna");
  const std::string id = queued_image(site, user);
  CHECK(site.send("PUT", path_of(id, "/stage"), "data", user).status == 415);
  CHECK(import(site, user, id, method("glance-direct")).status == 409);
  const Answer staged = site.send("PUT", path_of(id, "/stage"), "some data", user, kBytes);
  INFO(staged.text);
  CHECK(staged.status == 204);
  CHECK(site.send("GET", path_of(id, ""), "", user).json()["status"] == "uploading");
  CHECK(site.send("PUT", path_of(id, "/stage"), "again", user, kBytes).status == 409);
  const Answer asked = import(site, user, id, method("glance-direct"));
  INFO(asked.text);
  CHECK(asked.status == 202);
  const json importing = site.send("GET", path_of(id, ""), "", user).json();
  CHECK(importing["status"] == "importing");
  CHECK(importing["os_glance_importing_to_stores"] == "file");
  CHECK(importing.contains("os_glance_import_task"));
  const json before = site.send("GET", path_of(id, "/tasks"), "", user).json()["tasks"][0];
  CHECK(before["type"] == "api_image_import");
  CHECK(before["input"]["import_req"]["method"]["name"] == "glance-direct");
  site.settle();
  const json image = site.send("GET", path_of(id, ""), "", user).json();
  CHECK(image["status"] == "active");
  CHECK(image["size"] == 9);
  CHECK_FALSE(image.contains("os_glance_import_task"));
  CHECK(site.send("GET", path_of(id, "/file"), "", user).text == "some data");
  const json task = site.send("GET", path_of(id, "/tasks"), "", user).json()["tasks"][0];
  CHECK(task["status"] == "success");
  CHECK(task["image_id"] == id);
  CHECK(task["result"]["image_id"] == id);
}

TEST_CASE("import: a download from another region is asked for and shown as the API has it") {
  Options options;
  options.image_import.glance_download = true;
  Site site(std::move(options));
  CHECK(site.get(kRoot + "/info/import").json()["import-methods"]["value"].back() ==
        "glance-download");
  const std::string user = site.add_user("anna");
  const std::string id = queued_image(site, user);
  const std::string there = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c";
  const auto wish = [](const json& more) {
    json how{{"name", "glance-download"}};
    how.update(more);
    return json{{"method", how}};
  };
  struct Row {
    std::string what;
    json body;
  };
  const Row rows[] = {
      {"no region", wish({{"glance_image_id", there}})},
      {"no image", wish({{"glance_region", "two"}})},
      {"no id", wish({{"glance_region", "two"}, {"glance_image_id", "foo"}})},
      {"region is no text", wish({{"glance_region", 2}, {"glance_image_id", there}})},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(import(site, user, id, row.body).status == 400);
  }
  const json body = wish({{"glance_region", "not a region"},
                          {"glance_image_id", there},
                          {"glance_service_interface", "internal"}});
  const Answer asked = import(site, user, id, body);
  INFO(asked.text);
  CHECK(asked.status == 202);
  site.settle();
  const json task = site.send("GET", path_of(id, "/tasks"), "", user).json()["tasks"][0];
  CHECK(task["status"] == "failure");
  CHECK(task["input"]["import_req"]["method"] == body["method"]);
  CHECK(task["message"].get<std::string>().find("not a region") != std::string::npos);
  CHECK(task.dump().find(user) == std::string::npos);
  CHECK(site.send("GET", path_of(id, ""), "", user).json()["status"] == "queued");
}

TEST_CASE("import: what cannot be meant is refused with the API's codes") {
  Site site;
  const std::string user = site.add_user("anna"), other = site.add_user("bert");
  const std::string id = queued_image(site, user);
  const auto web = [](const char* uri) {
    return json{{"method", {{"name", "web-download"}, {"uri", uri}}}};
  };
  json stores = web("https://example.org/x");
  stores["stores"] = {"nowhere"};
  json both = web("https://example.org/x");
  both["stores"] = {"file"};
  both["all_stores"] = true;
  struct Row {
    std::string what;
    json body;
    int status;
  };
  const Row rows[] = {
      {"no method", json::object(), 400},
      {"method is no object", {{"method", "web-download"}}, 400},
      {"unknown method", method("teleport"), 400},
      {"no URL", method("web-download"), 400},
      {"URL is no text", {{"method", {{"name", "web-download"}, {"uri", 7}}}}, 400},
      {"a file", web("file:///etc/passwd"), 400},
      {"loopback", web("http://127.0.0.1:5000/"), 400},
      {"loopback in disguise", web("http://0x7f.1/"), 400},
      {"mapped loopback", web("http://[::ffff:127.0.0.1]/"), 400},
      {"metadata server", web("http://169.254.169.254/latest/"), 400},
      {"userinfo", web("http://user:secret@example.org/"), 400},
      {"unknown store", stores, 400},
      {"stores and all", both, 400},
      {"nothing staged", method("glance-direct"), 409},
      {"nothing to copy", method("copy-image"), 409},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = import(site, user, id, row.body);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK(answer.text.find("secret") == std::string::npos);
  }
  CHECK(import(site, other, id, web("https://example.org/x")).status == 404);
  CHECK(import(site, "", id, web("https://example.org/x")).status == 401);
  CHECK(site.send("PUT", path_of(id, "/stage"), "x", other, kBytes).status == 404);
  CHECK(site.send("GET", path_of(id, ""), "", user).json()["status"] == "queued");
}

TEST_CASE("import: content that is not what it says comes back with the reason in its task") {
  Site site;
  const std::string user = site.add_user("anna");
  const std::string id = queued_image(site, user, "raw");
  std::string trick(8'192, '\0');
  trick.replace(0, 8, std::string("QFI\xfb\0\0\0\3", 8));
  REQUIRE(site.send("PUT", path_of(id, "/stage"), trick, user, kBytes).status == 204);
  REQUIRE(import(site, user, id, method("glance-direct")).status == 202);
  site.settle();
  const json image = site.send("GET", path_of(id, ""), "", user).json();
  CHECK(image["status"] == "queued");
  CHECK(image["os_glance_failed_import"] == "file");
  const json task = site.send("GET", path_of(id, "/tasks"), "", user).json()["tasks"][0];
  CHECK(task["status"] == "failure");
  CHECK(task["message"].get<std::string>().find("qcow2") != std::string::npos);
  CHECK(site.send("DELETE", path_of(id, ""), "", user).status == 204);
}

TEST_CASE("tasks: admins begin and see imports, and the schemas describe them") {
  Site site;
  const std::string user = site.add_user("anna");
  const json input{{"import_from", "https://192.0.2.1/disk"},
                   {"import_from_format", "qcow2"},
                   {"image_properties", {{"name", "made"}, {"container_format", "bare"}}}};
  const json body{{"type", "import"}, {"input", input}};
  CHECK(site.send("POST", kRoot + "/tasks", body.dump(), user).status == 403);
  CHECK(site.send("GET", kRoot + "/tasks", "", user).status == 403);
  // No public address: said at once.
  CHECK(site.post(kRoot + "/tasks", body).status == 400);
  json named = body;
  named["input"]["import_from"] = "https://images.invalid/disk";
  const Answer made = site.post(kRoot + "/tasks", named);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const std::string id = made.json()["id"];
  CHECK(made.headers.get("Location").find("/v2/tasks/" + id) != std::string_view::npos);
  CHECK(made.json()["status"] == "pending");
  CHECK(made.json()["input"]["image_properties"]["name"] == "made");
  CHECK(site.get(kRoot + "/tasks/" + id).json()["type"] == "import");
  const json list = site.get(kRoot + "/tasks?limit=1").json();
  CHECK(list["tasks"].size() == 1);
  CHECK_FALSE(list["tasks"][0].contains("input"));
  CHECK(list["schema"] == "/v2/schemas/tasks");
  CHECK(site.get(kRoot + "/tasks/none").status == 404);
  CHECK(site.send("DELETE", kRoot + "/tasks/" + id, "", site.admin).status == 405);
  CHECK(site.get(kRoot + "/tasks?status=unheard").status == 400);
  CHECK(site.get(kRoot + "/tasks?sort_key=size").status == 400);
  CHECK(site.post(kRoot + "/tasks", {{"type", "export"}, {"input", input}}).status == 400);
  CHECK(site.get(kRoot + "/schemas/task").json()["name"] == "task");
  CHECK(site.get(kRoot + "/schemas/tasks").json()["properties"].contains("tasks"));
}

TEST_CASE("tasks: lists are put in order by status too, page by page") {
  Site site;
  const std::string failing = queued_image(site, site.admin, "qcow2");
  const std::string trick = "QFI\xfb" + std::string(4'096, '\x7f');
  for (int i = 0; i < 2; ++i) {
    REQUIRE(site.send("PUT", path_of(failing, "/stage"), trick, site.admin, kBytes).status == 204);
    REQUIRE(import(site, site.admin, failing, method("glance-direct")).status == 202);
    site.settle();
  }
  const json web{{"method", {{"name", "web-download"}, {"uri", "https://images.invalid/x"}}}};
  REQUIRE(import(site, site.admin, queued_image(site, site.admin), web).status == 202);
  const std::string by_status = kRoot + "/tasks?sort_key=status&sort_dir=desc";
  const json all = site.get(by_status).json()["tasks"];
  REQUIRE(all.size() == 3);
  CHECK(all[0]["status"] == "pending");  // It comes behind "failure" in the alphabet.
  CHECK(all[1]["status"] == "failure");
  const std::string first = all[0]["id"];
  const json next = site.get(by_status + "&limit=1&marker=" + first).json();
  CHECK(next["tasks"][0]["id"] == all[1]["id"]);
  CHECK(next.contains("next"));
  CHECK(site.get(by_status + "&marker=none").status == 400);
}

TEST_CASE("certificates: a project's own, shown without surprises") {
  Site site;
  const std::string user = site.add_user("anna"), other = site.add_user("bert");
  // Self-signed, made for this test; its key is nowhere.
  const std::string pem =
      "-----BEGIN CERTIFICATE-----\n"
      "MIIBtjCCATygAwIBAgIUFW6ZDYVsyI3WMoeTCl8qfzCusRwwCgYIKoZIzj0EAwIw\n"
      "ETEPMA0GA1UEAwwGc2lnbmVyMCAXDTI2MTEyMjE0MTM1MFoYDzIxMjYxMDI5MTQx\n"
      "MzUwWjARMQ8wDQYDVQQDDAZzaWduZXIwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAAT4\n"
      "gizt/z8TL4w+xwvfWZuSxOw3DybOC/rUOPxBNXhJxLLZMlpuPoMF4ntclpV2TE1J\n"
      "AMKSJlSWQ1R0/PVkfYxMQbw4y+wrAXXu09kGERoy3juCdR3u0zlYQa6Q2TKMsISj\n"
      "UzBRMB0GA1UdDgQWBBSyOal4yrzy1OolRABiGXuF47lg9jAfBgNVHSMEGDAWgBSy\n"
      "Oal4yrzy1OolRABiGXuF47lg9jAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMC\n"
      "A2gAMGUCMH60iUpB9/wRjqLt8sbRjGndy/l3EcLqj+cVmVLBmmsF6ISDnYmqTzM0\n"
      "P3EFwxiNwwIxAMDYdi/sonBcIQWyWBGOFtvVPOP+QWaPBryfk/S4ZjgApTljlHc+\n"
      "GPtcvCRAldf7XQ==\n"
      "-----END CERTIFICATE-----\n";
  const json body{{"certificate", {{"name", "signer"}, {"pem", pem}}}};
  const std::string path = kRoot + "/certificates";
  const Answer made = site.send("POST", path, body.dump(), user);
  INFO(made.text);
  REQUIRE(made.status == 201);
  const std::string id = made.json()["certificate"]["id"];
  CHECK(made.json()["certificate"]["subject"] == "CN=signer");
  CHECK(site.send("GET", path, "", user).json()["certificates"].size() == 1);
  CHECK(site.send("GET", path, "", other).json()["certificates"].empty());
  CHECK(site.send("GET", path + "/" + id, "", other).status == 404);
  CHECK(site.send("GET", path + "/" + id, "", user).json()["certificate"]["pem"] == pem);
  json shared = body;
  shared["certificate"]["everybody"] = true;
  CHECK(site.send("POST", path, shared.dump(), user).status == 403);
  json broken = body;
  broken["certificate"]["pem"] = "none";
  CHECK(site.send("POST", path, broken.dump(), user).status == 400);
  CHECK(site.send("DELETE", path + "/" + id, "", other).status == 404);
  CHECK(site.send("DELETE", path + "/" + id, "", user).status == 204);
}
