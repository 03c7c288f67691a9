#include "cloudos/image_stores.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cloudos/images.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const HeaderList kOctetStream{{"Content-Type", "application/octet-stream"}};

/// A site on a folder with a second store, both gone with it.
struct StoredSite {
  explicit StoredSite(ImageStoreOptions stores = {}) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "cloudos-rest-stores-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    Options options;
    options.data_dir = folder / "data";
    options.image_stores = std::move(stores);
    options.image_stores.folders["fast"] = {folder / "fast", "solid state", 0, 0};
    site = std::make_unique<Site>(std::move(options));
    ann = site->add_user("ann");
    bob = site->add_user("bob");
  }
  ~StoredSite() {
    site.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string image(const std::string& data, HeaderList more = {}) {
    const json body{{"name", "x"}, {"disk_format", "raw"}, {"container_format", "bare"}};
    const Answer made = site->send("POST", "/image/v2/images", body.dump(), ann);
    REQUIRE(made.status == 201);
    const std::string id = made.json()["id"];
    more.insert(more.end(), kOctetStream.begin(), kOctetStream.end());
    const Answer put = site->send("PUT", "/image/v2/images/" + id + "/file", data, ann, more);
    INFO(put.text);
    REQUIRE(put.status == 204);
    return id;
  }
  void settle() {
    for (int round = 0; round < 10; ++round) {
      site->clock->advance(std::chrono::seconds(1));
      site->cloud->run_pending();
    }
  }
  std::filesystem::path folder;
  std::unique_ptr<Site> site;
  std::string ann, bob;
};

}  // namespace

TEST_CASE("image stores: everybody sees which there are, admins what they are") {
  StoredSite at;
  const Answer plain = at.site->send("GET", "/image/v2/info/stores", "", at.ann);
  REQUIRE(plain.status == 200);
  const json stores = plain.json()["stores"];
  REQUIRE(stores.size() == 2);
  CHECK(stores[0]["id"] == "file");
  CHECK(stores[0]["default"] == "true");
  CHECK(stores[1]["description"] == "solid state");
  CHECK_FALSE(stores[1].contains("properties"));
  CHECK(at.site->send("GET", "/image/v2/info/stores/detail", "", at.ann).status == 403);
  const Answer detail = at.site->send("GET", "/image/v2/info/stores/detail", "", at.site->admin);
  REQUIRE(detail.status == 200);
  const json fast = detail.json()["stores"][1];
  CHECK(fast["type"] == "file");
  CHECK(fast["properties"]["data_dir"] == (at.folder / "fast").string());
}

TEST_CASE("image stores: a header says where an upload goes, and one copy can be deleted") {
  StoredSite at;
  const std::string id = at.image("data", {{"X-Image-Meta-Store", "fast"}});
  CHECK(std::filesystem::exists(at.folder / "fast" / id));
  const json made = at.site->send("GET", "/image/v2/images/" + id, "", at.ann).json();
  CHECK(made["stores"] == "fast");
  const std::string copy = "/image/v2/stores/fast/" + id;
  CHECK(at.site->send("DELETE", copy, "", at.bob).status == 404);
  CHECK(at.site->send("DELETE", copy, "", at.ann).status == 403);  // The last one.
  CHECK(at.site->send("DELETE", "/image/v2/stores/file/" + id, "", at.ann).status == 404);
  CHECK(at.site->send("DELETE", "/image/v2/stores/none/" + id, "", at.ann).status == 404);
  REQUIRE(at.site->cloud->images().stores().copy(Context::system(), ImageId{id}, {"file"}));
  at.settle();
  CHECK(at.site->send("GET", "/image/v2/images/" + id, "", at.ann).json()["stores"] == "fast,file");
  CHECK(at.site->send("DELETE", copy, "", at.ann).status == 204);
  at.settle();
  CHECK_FALSE(std::filesystem::exists(at.folder / "fast" / id));
  const Answer data = at.site->send("GET", "/image/v2/images/" + id + "/file", "", at.ann);
  CHECK(data.status == 200);
  const json body{{"name", "x"}, {"disk_format", "raw"}, {"container_format", "bare"}};
  const std::string other =
      at.site->send("POST", "/image/v2/images", body.dump(), at.ann).json()["id"];
  HeaderList headers = kOctetStream;
  headers.emplace_back("X-Image-Meta-Store", "nowhere");
  CHECK(at.site->send("PUT", "/image/v2/images/" + other + "/file", "x", at.ann, headers).status ==
        400);
}

TEST_CASE("image stores: usage is told by limit and in its units") {
  StoredSite at;
  at.image("data");
  const Answer answer = at.site->send("GET", "/image/v2/info/usage", "", at.ann);
  REQUIRE(answer.status == 200);
  const json usage = answer.json()["usage"];
  CHECK(usage["image_count_total"]["usage"] == 1);
  CHECK(usage["image_size_total"]["usage"] == 1);
  CHECK(usage["image_size_total"]["limit"] == -1);
  CHECK(usage["image_count_uploading"]["usage"] == 0);
  CHECK(usage["image_stage_total"]["usage"] == 0);
  CHECK(at.site->send("GET", "/image/v2/info/usage", "", at.bob)
            .json()["usage"]["image_count_total"]["usage"] == 0);
}

TEST_CASE("image stores: limits of the image service hold, for all and for a project") {
  StoredSite at;
  Site& site = *at.site;
  const json services = site.get("/identity/v3/services?type=image").json()["services"];
  REQUIRE(services.size() == 1);
  const std::string service = services[0]["id"];
  const json registered{
      {"registered_limits",
       {{{"service_id", service}, {"resource_name", "image_count_total"}, {"default_limit", 1}}}}};
  const Answer made = site.post("/identity/v3/registered_limits", registered);
  INFO(made.text);
  REQUIRE(made.status == 201);
  at.image("data");
  const json body{{"name", "x"}, {"disk_format", "raw"}, {"container_format", "bare"}};
  const auto create = [&] {
    return site.send("POST", "/image/v2/images", body.dump(), at.ann).status;
  };
  CHECK(create() == 413);
  const auto valid = site.cloud->identity().validate(at.ann);
  REQUIRE(valid);
  const json own{{"limits",
                  {{{"service_id", service},
                    {"project_id", valid->context("").project.value},
                    {"resource_name", "image_count_total"},
                    {"resource_limit", 2}}}}};
  const Answer raised = site.post("/identity/v3/limits", own);
  INFO(raised.text);
  REQUIRE(raised.status == 201);
  CHECK(create() == 201);
  CHECK(create() == 413);
  const std::string limit = raised.json()["limits"][0]["id"];
  CHECK(site.send("DELETE", "/identity/v3/limits/" + limit, "", site.admin).status == 204);
  CHECK(create() == 413);
  const std::string rule = made.json()["registered_limits"][0]["id"];
  CHECK(site.send("DELETE", "/identity/v3/registered_limits/" + rule, "", site.admin).status ==
        204);
  CHECK(create() == 201);
}

TEST_CASE("image stores: locations that name this host, or no http store, are refused") {
  ImageStoreOptions with_http;
  with_http.http = true;
  for (const bool http : {false, true}) {
    StoredSite at(http ? with_http : ImageStoreOptions{});
    const std::string id = at.image("data");
    const std::string place = "/image/v2/images/" + id + "/locations";
    for (const char* url :
         {"file:///etc/passwd", "filesystem:///etc/passwd", "http://a:b@example.org/x",
          "http://127.0.0.1/x", "http://169.254.169.254/x", "../x", "http://example.org/../x"}) {
      CAPTURE(url);
      const Answer refused = at.site->send("POST", place, json{{"url", url}}.dump(), at.ann);
      CHECK((refused.status == 400 || refused.status == 403));
    }
    const json bad{{"url", "http://example.org/x"},
                   {"validation_data", {{"os_hash_algo", "md4"}, {"os_hash_value", "00"}}}};
    // The image has data, whose checksum is of another algorithm.
    CHECK(at.site->send("POST", place, bad.dump(), at.ann).status == (http ? 409 : 400));
    CHECK(at.site->send("GET", place, "", at.ann).status == 403);
    const json all = at.site->send("GET", place, "", at.site->admin).json();
    REQUIRE(all.size() == 1);
    CHECK(all[0]["url"] == "file://" + (at.folder / "data" / "images" / id).string());
    CHECK(all[0]["metadata"]["store"] == "file");
  }
}

TEST_CASE("image cache: images are queued, listed, deleted and cleared by admins") {
  StoredSite at;
  const std::string id = at.image("data"), other = at.image("more");
  const std::string cache = "/image/v2/cache";
  Site& site = *at.site;
  CHECK(site.send("GET", cache, "", at.ann).status == 403);
  CHECK(site.send("PUT", cache + "/" + id, "", at.ann).status == 403);
  CHECK(site.send("PUT", cache + "/" + id, "", site.admin).status == 202);
  json state = site.send("GET", cache, "", site.admin).json();
  CHECK(state["queued_images"] == json{id});
  at.settle();
  state = site.send("GET", cache, "", site.admin).json();
  CHECK(state["queued_images"].empty());
  REQUIRE(state["cached_images"].size() == 1);
  CHECK(state["cached_images"][0]["image_id"] == id);
  CHECK(state["cached_images"][0]["size"] == 4);
  CHECK(site.send("DELETE", cache + "/" + id, "", site.admin).status == 204);
  CHECK(site.send("DELETE", cache + "/" + id, "", site.admin).status == 404);
  CHECK(site.send("PUT", cache + "/" + id, "", site.admin).status == 202);
  at.settle();
  CHECK(site.send("PUT", cache + "/" + other, "", site.admin).status == 202);
  CHECK(site.send("DELETE", cache, "", site.admin, {{"X-Image-Cache-Clear-Target", "queue"}})
            .status == 204);
  state = site.send("GET", cache, "", site.admin).json();
  CHECK(state["queued_images"].empty());
  CHECK(state["cached_images"].size() == 1);
  CHECK(
      site.send("DELETE", cache, "", site.admin, {{"X-Image-Cache-Clear-Target", "all"}}).status ==
      400);
  CHECK(site.send("POST", cache + "/clean", "", site.admin).status == 200);
  CHECK(site.send("POST", cache + "/prune", "", site.admin).status == 200);
  CHECK(site.send("DELETE", cache, "", site.admin).status == 204);
  CHECK(site.send("GET", cache, "", site.admin).json()["cached_images"].empty());
}
