#include "image/location_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/actor.hpp"
#include "base/text.hpp"
#include "image/charge.hpp"
#include "image/reading.hpp"

namespace cloudos::image {
namespace {

/// True when there was such a location to settle. One that was verified may still turn out to hold
/// what no server should boot from.
bool settle_in(std::vector<ImageLocation>& locations, const std::string& url,
               const std::string& problem) {
  const auto at = std::find_if(locations.begin(), locations.end(), [&](const ImageLocation& l) {
    return l.url == url && (l.unverified || (!problem.empty() && l.problem.empty()));
  });
  if (at == locations.end()) return false;
  at->unverified = false;
  at->problem = problem;
  return true;
}

/// Verified bytes that nobody of us has looked at yet: are they what the image says?
Result<void> inspect_declared(const Images::Impl& images, const Payload& payload,
                              RandomReader& bytes) {
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  const auto image = records::get<Image>(*snapshot, payload.id);
  if (!image && image.error().code != ErrorCode::NotFound) return fail(image.error());
  // Deleted since a server began to boot from it: servers boot from bare ones only.
  const auto container = image ? image->container_format : ContainerFormat::Bare;
  const auto found = verify_content(bytes, payload.format, container,
                                    images.guard.rules().require_format_match);
  std::string problem;
  if (!found) {
    problem = found.error().message;
  } else if (found->virtual_size_bytes != payload.virtual_size_bytes ||
             (image && found->format_problem != image->format_problem)) {
    problem = "the data is another disk than its location showed when it was added";
  }
  if (problem.empty()) return Result<void>();
  for (const ImageLocation& at : payload.locations) {
    if (!at.url.empty() && at.problem.empty())
      CLOUDOS_CHECK(settle_location(images, payload.id, at.url, problem));
  }
  return fail(ErrorCode::Conflict, fmt::format("image {}: {}", payload.id.value, problem));
}

/// Its content has been looked at: one commit, which is no change that anybody sees.
Result<void> note_inspected(const Images::Impl& images, const ImageId& id) {
  const ActorScope ours(Actor::Kind::Work);
  CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    auto payload = records::get<Payload>(txn, id);
    if (!payload || !payload->declared) return Result<void>();
    payload->declared = false;
    return records::update(txn, *payload);
  }));
  return Result<void>();
}

Result<void> fill_once(const Images::Impl& images, const Payload& payload,
                       const std::function<Result<std::unique_ptr<PayloadWriter>>()>& open,
                       const GoOn& go_on) {
  CLOUDOS_TRY(const auto writer, open());
  const Context ctx = Context::system();
  // Read whole, so that its checksum is compared.
  CLOUDOS_TRY(const auto source, read_payload(images, payload, {0, UINT64_MAX, 0, true}, ctx));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  while (true) {
    CLOUDOS_CHECK(go_on());
    CLOUDOS_TRY(const std::size_t got, source->read(buffer));
    if (got == 0) break;
    CLOUDOS_CHECK(writer->write(std::span(buffer).first(got)));
  }
  if (payload.declared) CLOUDOS_CHECK(inspect_declared(images, payload, writer->written()));
  CLOUDOS_CHECK(writer->publish());
  return payload.declared ? note_inspected(images, payload.id) : Result<void>();
}

bool readable(const Payload& payload) {
  return std::any_of(payload.locations.begin(), payload.locations.end(),
                     [](const ImageLocation& at) { return at.problem.empty(); });
}

}  // namespace

std::string not_as_declared(std::string_view url) {
  return fmt::format("the data at {} is not what was declared: its checksum is another one",
                     url.substr(0, limits::kNameChars));
}

Failure no_location_left(const Payload& payload) {
  for (const ImageLocation& at : payload.locations) {
    if (at.problem.empty() || readable(payload)) continue;
    return fail(ErrorCode::Conflict, fmt::format("image {}: {}", payload.id.value, at.problem));
  }
  return fail(ErrorCode::Unavailable,
              fmt::format("no location of image {} can be read", payload.id.value));
}

Result<Findings> read_location(const Images::Impl& images, const Context& ctx,
                               const std::string& url, const Image& formats, const GoOn& go_on) {
  CLOUDOS_TRY(const auto reader, open_url(images, url, ctx));
  Findings found;
  found.size_bytes = reader->size();
  CLOUDOS_TRY(const auto digests, DigestPipeline::make(images.engine.executor));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (std::uint64_t at = 0; at < found.size_bytes;) {
    CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
    CLOUDOS_CHECK(go_on());
    CLOUDOS_TRY(const std::size_t got, reader->read_at(at, buffer));
    if (got == 0) return fail(ErrorCode::Unavailable, "the location's data ends too early");
    CLOUDOS_CHECK(digests->update(std::span(buffer).first(got)));
    at += got;
  }
  CLOUDOS_TRY(found.sums, digests->finish());
  CLOUDOS_TRY(found.verified,
              verify_content(*reader, formats.disk_format, formats.container_format,
                             images.guard.rules().require_format_match));
  return found;
}

Result<void> check_sums(const Digests::Values& found, const std::string& sha512,
                        const std::string& md5) {
  const bool same = (sha512.empty() || equals_ignore_case(sha512, found.sha512)) &&
                    (md5.empty() || equals_ignore_case(md5, found.md5));
  if (same) return Result<void>();
  return fail(ErrorCode::Conflict, "the location's data has another checksum than it should have");
}

Result<void> settle_location(store::Txn& txn, const ImageId& id, const std::string& url,
                             const std::string& problem) {
  auto payload = records::get<Payload>(txn, id);
  if (!payload) return Result<void>();  // Deleted meanwhile.
  if (settle_in(payload->locations, url, problem)) CLOUDOS_CHECK(records::update(txn, *payload));
  auto image = records::get<Image>(txn, id);
  if (!image || !settle_in(image->locations, url, problem)) return Result<void>();
  return update_image(txn, *image);
}

Result<void> settle_location(const Images::Impl& images, const ImageId& id, const std::string& url,
                             const std::string& problem) {
  const ActorScope ours(Actor::Kind::Work);  // Who reads changes nothing.
  if (!problem.empty()) images.engine.log.error(fmt::format("image {}: {}", id.value, problem));
  CLOUDOS_CHECK(images.engine.store.transact(
      [&](store::Txn& txn) { return settle_location(txn, id, url, problem); }));
  return Result<void>();
}

Result<void> verify_location(const Images::Impl& images, const Payload& payload,
                             const ImageLocation& location, RandomReader& bytes,
                             const GoOn& go_on) {
  CLOUDOS_TRY(auto digest, Digest::make("sha512"));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (std::uint64_t at = 0; at < payload.size_bytes;) {
    CLOUDOS_CHECK(go_on());
    CLOUDOS_TRY(const std::size_t got, bytes.read_at(at, buffer));
    if (got == 0) return fail(ErrorCode::Unavailable, "the location's data ends too early");
    CLOUDOS_CHECK(digest.update(std::span(buffer).first(got)));
    at += got;
  }
  CLOUDOS_TRY(const std::string sha512, digest.finish());
  const bool same = equals_ignore_case(sha512, payload.sha512);
  const std::string problem = same ? "" : not_as_declared(location.url);
  CLOUDOS_CHECK(settle_location(images, payload.id, location.url, problem));
  return same ? Result<void>() : fail(ErrorCode::Conflict, problem);
}

Result<void> fill_verified(const Images::Impl& images, const Payload& payload,
                           const std::function<Result<std::unique_ptr<PayloadWriter>>()>& open,
                           const GoOn& go_on) {
  Payload now = payload;
  for (std::size_t tries = 0;; ++tries) {
    auto filled = fill_once(images, now, open, go_on);
    if (filled || filled.error().code != ErrorCode::Conflict || tries >= limits::kImageLocations)
      return filled;
    // A location turned out to be wrong, which is on record now: the next one may be right.
    CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
    CLOUDOS_TRY(now, records::get<Payload>(*snapshot, payload.id));
    if (!readable(now)) return filled;
  }
}

}  // namespace cloudos::image
