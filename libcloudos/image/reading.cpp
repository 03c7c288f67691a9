#include "image/reading.hpp"

#include <fmt/format.h>

#include "image/digest.hpp"
#include "image/fetch.hpp"
#include "image/location_state.hpp"

namespace cloudos::image {
namespace {

/// A resource of the web. One thread at a time.
class UrlReader final : public RandomReader {
 public:
  UrlReader(const Images::Impl& images, std::string url, const Context& ctx)
      : images_(images), url_(std::move(url)), ctx_(ctx) {}

  Result<void> open() {
    CLOUDOS_CHECK(ask(0));
    const auto total = body_->total();
    if (!total) {
      return fail(ErrorCode::Unavailable, "the location's server does not say how much there is");
    }
    const std::uint64_t most = images_.set->options().http_bytes;
    if (*total > most) {
      return fail(ErrorCode::TooLarge,
                  fmt::format("a location has at most {} bytes, this one has {}", most, *total));
    }
    size_ = *total;
    version_ = body_->version();
    return Result<void>();
  }
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= size_) return std::size_t{0};
    if (!body_ || offset != at_) CLOUDOS_CHECK(ask(offset));
    std::size_t done = 0;
    while (done < buffer.size() && at_ < size_) {
      CLOUDOS_TRY(const std::size_t got, body_->read(buffer.subspan(done)));
      if (got == 0) break;
      done += got;
      at_ += got;
    }
    return done;
  }

 private:
  Result<void> ask(std::uint64_t offset) {
    FetchRequest request;
    request.url = url_;
    request.range.offset = offset;
    request.go_on = [this] { return check_call(ctx_, images_.engine.clock); };
    body_.reset();  // One connection at a time.
    CLOUDOS_TRY(body_, images_.fetcher->get(request));
    // Half of one version and half of another are nobody's data.
    if (size_ != 0 && (body_->version() != version_ || body_->total() != size_)) {
      return fail(ErrorCode::Unavailable, "the location's data changed while it was read");
    }
    at_ = offset;
    return Result<void>();
  }

  const Images::Impl& images_;
  const std::string url_;
  const Context ctx_;
  std::unique_ptr<FetchBody> body_;
  std::uint64_t at_ = 0, size_ = 0;
  std::string version_;
};

class PayloadSource final : public ByteSource {
 public:
  PayloadSource(const Images::Impl& images, const Payload& payload, const Reading& reading,
                const Context& ctx, std::vector<ImageLocation> locations)
      : images_(images),
        payload_(payload),
        ctx_(ctx),
        locations_(std::move(locations)),
        at_(std::min(reading.offset, payload.size_bytes)),
        end_(at_ + std::min(reading.length, payload.size_bytes - at_)) {}

  /// Opens the first location, and hashes what lies before the first byte when that was sent.
  Result<void> begin(const Reading& reading, bool certain) {
    const bool to_the_end = end_ == payload_.size_bytes;
    const bool from_the_start = at_ == 0 || reading.verify_before;
    if (!certain && to_the_end && from_the_start && !payload_.sha512.empty()) {
      CLOUDOS_TRY(digest_, Digest::make("sha512"));
    }
    const std::uint64_t first = at_;
    if (!digest_ || first == 0) return next_location(Result<void>());
    at_ = 0;
    std::vector<std::byte> buffer(limits::kImageChunkBytes);
    while (at_ < first) {
      const auto wanted = std::min<std::uint64_t>(buffer.size(), first - at_);
      CLOUDOS_CHECK(read(std::span(buffer).first(static_cast<std::size_t>(wanted))));
    }
    return Result<void>();
  }

  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end_ - at_));
    if (wanted == 0) return std::size_t{0};
    while (true) {
      CLOUDOS_CHECK(check_call(ctx_, images_.engine.clock));
      if (!reader_) CLOUDOS_CHECK(next_location(Result<void>()));
      const MonoTime began = images_.engine.clock.mono();
      auto got = reader_->read_at(at_, buffer.first(wanted));
      if (got && *got > 0) {
        read_bytes_ += *got;
        read_time_ += images_.engine.clock.mono() - began;
        return deliver(buffer.first(*got));
      }
      if (!got && got.error().code == ErrorCode::Cancelled) return got;
      Result<void> why = fail(ErrorCode::Unavailable, "the data ends too early");
      if (!got) why = fail(std::move(got).error());
      CLOUDOS_CHECK(next_location(std::move(why)));
    }
  }
  std::optional<std::uint64_t> size() const override { return end_ - at_; }
  ~PayloadSource() override { remember_rate(); }

 private:
  Result<std::size_t> deliver(std::span<std::byte> bytes) {
    at_ += bytes.size();
    if (!digest_) return bytes.size();
    CLOUDOS_CHECK(digest_->update(bytes));
    if (at_ < end_) return bytes.size();
    CLOUDOS_TRY(const std::string sha512, digest_->finish());
    digest_.reset();
    const ImageLocation& from = locations_[next_ - 1];
    // Only what came from one place tells something of that place.
    const bool settles = whole_from_ == next_ && from.unverified;
    if (sha512 == payload_.sha512) {
      if (settles) note(settle_location(images_, payload_.id, from.url, ""));
      return bytes.size();
    }
    if (settles) {
      at_ = end_;
      const std::string problem = not_as_declared(from.url);
      CLOUDOS_CHECK(settle_location(images_, payload_.id, from.url, problem));
      return fail(ErrorCode::Conflict, problem);
    }
    images_.engine.log.write(
        LogLevel::Error,
        fmt::format("image {}: what was read is not what was stored (store '{}')",
                    payload_.id.value, locations_[next_ - 1].store),
        ctx_.request_id);
    at_ = end_;
    return fail(ErrorCode::Unavailable,
                fmt::format("the data of image {} is damaged", payload_.id.value));
  }

  /// What a reader need not know: the next one verifies again.
  void note(const Result<void>& settled) const {
    if (!settled) images_.engine.log.warn(settled.error().message);
  }

  void remember_rate() {
    if (next_ == 0 || next_ > locations_.size()) return;
    if (const NamedStore* store = images_.set->find(locations_[next_ - 1].store))
      StoreSet::measured(*store, read_bytes_, read_time_);
    read_bytes_ = 0;
    read_time_ = {};
  }

  /// Gives up the location at hand, which failed with `why`, for the next that opens.
  Result<void> next_location(Result<void> why) {
    while (true) {
      remember_rate();
      reader_.reset();
      if (!why) {
        images_.engine.log.write(LogLevel::Warning,
                                 fmt::format("image {}, store '{}', byte {}: {}", payload_.id.value,
                                             locations_[next_ - 1].store, at_, why.error().message),
                                 ctx_.request_id);
      }
      if (next_ == locations_.size()) {
        if (!why && why.error().code == ErrorCode::Conflict) return why;
        return no_location_left(payload_);
      }
      auto opened = open_location(images_, payload_, locations_[next_++], ctx_);
      if (opened) opened = verified(std::move(*opened));
      if (opened) {
        whole_from_ = at_ == 0 ? next_ : 0;
        reader_ = std::move(*opened);
        return Result<void>();
      }
      if (opened.error().code == ErrorCode::Cancelled) return fail(opened.error());
      why = fail(std::move(opened).error());
    }
  }

  /// Data that was only declared is verified on its way when it is read whole, else before.
  Result<std::unique_ptr<RandomReader>> verified(std::unique_ptr<RandomReader> opened) {
    const ImageLocation& from = locations_[next_ - 1];
    if (!from.unverified || (digest_ && at_ == 0)) return opened;
    CLOUDOS_CHECK(verify_location(images_, payload_, from, *opened,
                                  [this] { return check_call(ctx_, images_.engine.clock); }));
    return opened;
  }

  const Images::Impl& images_;
  const Payload payload_;
  const Context ctx_;
  const std::vector<ImageLocation> locations_;
  std::size_t whole_from_ = 0;  // next_, while all that was read came from the location at hand.
  std::size_t next_ = 0;  // Behind the location at hand.
  std::unique_ptr<RandomReader> reader_;
  std::uint64_t at_, end_;
  std::optional<Digest> digest_;
  std::uint64_t read_bytes_ = 0;
  std::chrono::nanoseconds read_time_{0};
};

}  // namespace

std::filesystem::path local_file(const Images::Impl& images, const Payload& payload,
                                 const ImageLocation& location) {
  if (!location.url.empty()) return {};
  const NamedStore* store = images.set->find(location.store);
  if (store == nullptr || !store->payloads) return {};
  const auto path = store->payloads->path(payload.id);
  std::error_code error;
  if (path.empty() || std::filesystem::file_size(path, error) != payload.size_bytes || error)
    return {};
  return path;
}

std::vector<ImageLocation> ordered_locations(const Images::Impl& images, const Payload& payload) {
  std::vector<LocationFacts> facts;
  for (const ImageLocation& location : payload.locations) {
    LocationFacts fact;
    if (const NamedStore* store = images.set->find(location.store)) {
      fact.type = store->type;
      fact.bytes_per_second = store->bytes_per_second;
      fact.local = store->payloads && !store->payloads->path(payload.id).empty();
    }
    facts.push_back(std::move(fact));
  }
  const ImageStoreOptions& options = images.set->options();
  std::vector<ImageLocation> ordered;
  for (const std::size_t at : reading_order(options.strategy, options.store_types, facts)) {
    if (payload.locations[at].problem.empty()) ordered.push_back(payload.locations[at]);
  }
  return ordered;
}

Result<std::unique_ptr<RandomReader>> open_url(const Images::Impl& images, const std::string& url,
                                               const Context& ctx) {
  if (images.set->find(kHttpStore) == nullptr) {
    return fail(ErrorCode::Forbidden, "locations that are URLs are not on offer here");
  }
  auto reader = std::make_unique<UrlReader>(images, url, ctx);
  CLOUDOS_CHECK(reader->open());
  return std::unique_ptr<RandomReader>(std::move(reader));
}

Result<std::unique_ptr<RandomReader>> open_location(const Images::Impl& images,
                                                    const Payload& payload,
                                                    const ImageLocation& location,
                                                    const Context& ctx) {
  std::unique_ptr<RandomReader> reader;
  if (location.url.empty()) {
    CLOUDOS_TRY(const PayloadStore* const payloads, images.set->payloads(location.store));
    CLOUDOS_TRY(reader, payloads->open(payload.id));
  } else {
    CLOUDOS_TRY(reader, open_url(images, location.url, ctx));
  }
  if (reader->size() != payload.size_bytes) {
    return fail(ErrorCode::Unavailable,
                fmt::format("it has {} bytes, not {}", reader->size(), payload.size_bytes));
  }
  return reader;
}

Result<std::unique_ptr<ByteSource>> read_payload(const Images::Impl& images, const Payload& payload,
                                                 const Reading& reading, const Context& ctx) {
  auto locations = ordered_locations(images, payload);
  const bool certain = reading.skip == 0 && locations.size() == 1 && locations.front().url.empty();
  const std::size_t skipped = std::min(reading.skip, locations.size());
  locations.erase(locations.begin(), locations.begin() + static_cast<std::ptrdiff_t>(skipped));
  auto source =
      std::make_unique<PayloadSource>(images, payload, reading, ctx, std::move(locations));
  CLOUDOS_CHECK(source->begin(reading, certain));
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace cloudos::image
