#include "store/txn_buffer.hpp"

#include <exception>

#include <fmt/format.h>

namespace cloudos::store {

std::optional<std::string_view> TxnBuffer::get(std::string_view key) {
  if (!check_key(key)) return std::nullopt;
  if (const auto own = writes_.find(key); own != writes_.end()) {
    if (!own->second) return std::nullopt;
    return std::string_view(*own->second);
  }
  return committed_.get(key);
}

void TxnBuffer::put(std::string_view key, std::string_view value) {
  if (check_key(key)) write(key, std::string(value));
}

void TxnBuffer::erase(std::string_view key) {
  if (check_key(key)) write(key, std::nullopt);
}

bool TxnBuffer::none(std::string_view prefix) {
  if (!check_key(prefix)) return true;
  for (auto own = writes_.lower_bound(prefix);
       own != writes_.end() && own->first.starts_with(prefix); ++own)
    if (own->second) return false;
  // A committed key counts unless this body erased it: walk on past erased ones.
  std::string from(prefix);
  while (const auto key = committed_.first(prefix, from)) {
    const auto own = writes_.find(*key);
    if (own == writes_.end() || own->second) return false;
    from = *key + '\0';
  }
  return true;
}

void TxnBuffer::set_error(Error error) {
  if (!error_) error_ = std::move(error);
}

Result<void> TxnBuffer::run(const Body& body) {
  try {
    CLOUDOS_CHECK(body(*this));
  } catch (const std::exception& thrown) {
    return fail(ErrorCode::Internal, "an internal error stopped the change; nothing was written",
                thrown.what());
  } catch (...) {  // Other callers' bodies share the commit: nothing may escape through them.
    return fail(ErrorCode::Internal, "an internal error stopped the change; nothing was written",
                "a body threw what is not an exception");
  }
  if (error_) return fail(*error_);
  return Result<void>();
}

bool TxnBuffer::check_key(std::string_view key) {
  if (!key.empty() && key.size() <= limits::kKeyBytes) return true;
  set_error({ErrorCode::TooLarge, fmt::format("a key of {} bytes is over the limit of {}",
                                              key.size(), limits::kKeyBytes),
             std::string(key.substr(0, 64))});
  return false;
}

void TxnBuffer::write(std::string_view key, std::optional<std::string> value) {
  const bool exempt = key.starts_with(kGuestMarkers) || key.starts_with(kAuditRows);
  const std::size_t bytes = key.size() + (value ? value->size() : 0);
  if (!exempt) bytes_ += bytes;
  const auto [at, added] = writes_.insert_or_assign(std::string(key), std::move(value));
  exempt_ += exempt && added;
  if (writes_.size() - exempt_ > limits::kTxnKeys) {
    set_error({ErrorCode::TooLarge,
               fmt::format("one change may write {} keys at most", limits::kTxnKeys), {}});
  }
  if (bytes_ > limits::kTxnBytes) {
    set_error({ErrorCode::TooLarge,
               fmt::format("one change may write {} bytes at most", limits::kTxnBytes), {}});
  }
}

Result<void> replan(const FunctionRef<Result<void>()>& attempt) {
  for (std::size_t round = 1;; ++round) {
    auto result = attempt();
    if (result || result.error().code != ErrorCode::Stale) return result;
    if (round == limits::kReplanRounds) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("others changed the same things {} times in a row; try again", round),
                  result.error().message);
    }
  }
}

}  // namespace cloudos::store
