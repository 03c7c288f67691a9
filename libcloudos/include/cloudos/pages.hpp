#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

/// Whole lists, page by page: every list call of the library takes a marker and a limit.
namespace cloudos {

/// What the next page begins behind. Overload it for types of your own.
template <class T>
std::string marker_of(const T& item) {
  if constexpr (requires { item.id.value; })
    return item.id.value;
  else
    return item.id;
}

/// Goes through a list once, one page in memory; each item is a Result, and an error is the last:
///
///   for (auto& server : pages(ServerQuery{}, [&](const ServerQuery& page) {
///          return cloud.servers().list(ctx, page);
///        })) {
///     if (!server) return fail(server.error());
///     use(server->name);
///   }
///
/// Things made or removed meanwhile may be missed or seen; nothing else is, and nothing twice. One
/// thread at a time.
template <class T>
class Pages {
 public:
  using List = std::function<Result<std::vector<T>>(const std::string& marker, std::size_t limit)>;
  /// At most `most` items in all, `page` of them a call.
  explicit Pages(List list, std::size_t page = limits::kListPage, std::size_t most = SIZE_MAX)
      : list_(std::move(list)),
        page_(std::clamp<std::size_t>(page, 1, limits::kListPage)),
        most_(most) {}

  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Result<T>;
    using difference_type = std::ptrdiff_t;
    using pointer = Result<T>*;
    using reference = Result<T>&;

    reference operator*() const { return *pages_->current_; }
    pointer operator->() const { return &*pages_->current_; }
    iterator& operator++() {
      pages_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const iterator& other) const { return at_end() == other.at_end(); }

   private:
    friend class Pages;
    explicit iterator(Pages* pages) : pages_(pages) {}
    bool at_end() const { return pages_ == nullptr || !pages_->current_; }
    Pages* pages_;
  };

  /// Asks for the first page; later calls go on where the loop before stopped.
  iterator begin() {
    if (!started_) next();
    return iterator(this);
  }
  iterator end() { return iterator(nullptr); }

 private:
  void next() {
    started_ = true;
    const bool failed = current_ && !current_->has_value();
    current_.reset();
    if (failed || given_ == most_) return;
    if (at_ == items_.size() && !last_) {
      if (const auto error = load()) {
        current_.emplace(fail(*error));
        return;
      }
    }
    if (at_ == items_.size()) return;
    ++given_;
    current_.emplace(std::move(items_[at_++]));
  }

  std::optional<Error> load() {
    auto page = list_(marker_, page_);
    if (!page) return std::move(page).error();
    items_ = std::move(*page);
    at_ = 0;
    last_ = items_.size() < page_;
    if (items_.empty()) return std::nullopt;
    std::string marker = marker_of(items_.back());
    if (marker == marker_) {
      return Error{ErrorCode::Internal, "a list does not go on behind marker " + marker, {}};
    }
    marker_ = std::move(marker);
    return std::nullopt;
  }

  List list_;
  std::size_t page_, most_;
  std::string marker_;
  std::vector<T> items_;
  std::size_t at_ = 0, given_ = 0;
  bool started_ = false, last_ = false;
  std::optional<Result<T>> current_;
};

/// Pages over a call that takes marker and limit: `list(marker, limit)`.
template <class List>
auto pages(List list, std::size_t page = limits::kListPage) requires
    std::is_invocable_v<List, const std::string&, std::size_t> {
  using Items = std::remove_cvref_t<
      decltype(*std::declval<std::invoke_result_t<List, const std::string&, std::size_t>>())>;
  return Pages<typename Items::value_type>(std::move(list), page);
}

/// Pages over a call that takes a query with members `marker` and `limit`; the query's own limit
/// is how many items there are at most, its marker where to begin.
template <class Query, class List>
auto pages(Query query, List list,
           std::size_t page = limits::kListPage) requires std::is_invocable_v<List, const Query&> {
  using Items =
      std::remove_cvref_t<decltype(*std::declval<std::invoke_result_t<List, const Query&>>())>;
  const std::size_t most = query.limit;
  auto next = [query = std::move(query), list = std::move(list)](const std::string& marker,
                                                                 std::size_t limit) mutable {
    if (!marker.empty()) query.marker = marker;
    query.limit = limit;
    return list(std::as_const(query));
  };
  return Pages<typename Items::value_type>(std::move(next), page, most);
}

}  // namespace cloudos
