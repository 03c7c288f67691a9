#include "network/linuxbridge/filter.hpp"

#include "base/text.hpp"

namespace cloudos::network::linuxbridge {

Result<std::optional<std::string>> Filter::present() {
  CLOUDOS_TRY(std::string bridge, nft_.list("bridge", table_));
  CLOUDOS_TRY(std::string inet, nft_.list("inet", table_));
  if (bridge.empty() && inet.empty()) return std::optional<std::string>();
  return std::optional<std::string>(bridge + inet);
}

Result<std::string> Filter::fingerprint() {
  CLOUDOS_TRY(const auto text, present());
  return sha256(text.value_or(""));
}

Result<void> Filter::replace_whole(const Ruleset& wanted) {
  fingerprint_.reset();
  if (const auto written = nft_.run(render_whole(wanted)); !written) {
    applied_.reset();
    return written;
  }
  auto now = nft_.generation();
  if (!now) {
    applied_.reset();
    return fail(std::move(now).error());
  }
  generation_ = *now;
  others_wrote_ = false;
  take_over(wanted);
  return Result<void>();
}

void Filter::take_over(const Ruleset& wanted) {
  if (applied_)
    adopt(*applied_, wanted);
  else
    applied_ = wanted;
}

Result<void> Filter::apply(const Ruleset& wanted) {
  if (!applied_) return replace_whole(wanted);
  const std::string change = render_difference(*applied_, wanted);
  if (change.empty()) {
    take_over(wanted);  // What both share need not be compared again.
    return Result<void>();
  }
  CLOUDOS_TRY(const auto before, nft_.generation());
  // Refused: the tables are not what we left there. Writing all of them needs no such assumption.
  if (!nft_.run(change)) return replace_whole(wanted);
  CLOUDOS_TRY(const auto after, nft_.generation());
  if (before != generation_ || after != before + 1) others_wrote_ = true;
  generation_ = after;
  fingerprint_.reset();
  take_over(wanted);
  return Result<void>();
}

Result<void> Filter::verify(const Ruleset& wanted) {
  CLOUDOS_TRY(const auto now, nft_.generation());
  bool trusted = applied_ && !others_wrote_ && now == generation_;
  if (!trusted && applied_ && fingerprint_) {
    CLOUDOS_TRY(const auto listed, fingerprint());
    trusted = listed == *fingerprint_;
    if (trusted) {
      generation_ = now;
      others_wrote_ = false;
    }
  }
  CLOUDOS_CHECK(trusted ? apply(wanted) : replace_whole(wanted));
  if (fingerprint_) return Result<void>();
  CLOUDOS_TRY(auto listed, fingerprint());
  CLOUDOS_TRY(const auto after, nft_.generation());
  if (after == generation_) fingerprint_ = std::move(listed);
  return Result<void>();
}

Result<void> Filter::restore() {
  if (!applied_) return Result<void>();
  CLOUDOS_TRY(const auto now, nft_.generation());
  if (!others_wrote_ && now == generation_) return Result<void>();
  const Ruleset last = *applied_;
  return verify(last);
}

Result<void> Filter::remove() {
  CLOUDOS_TRY(const auto there, present());
  applied_.reset();
  fingerprint_.reset();
  if (!there) return Result<void>();
  return nft_.run(render_removal(table_));
}

}  // namespace cloudos::network::linuxbridge
