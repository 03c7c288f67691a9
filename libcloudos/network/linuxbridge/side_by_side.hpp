#pragma once

namespace cloudos::network::linuxbridge {

/// Walks two maps at once: each key in order, with pointers to what either map has for it.
template <class Map, class Visit>
void side_by_side(const Map& first, const Map& second, Visit visit) {
  auto a = first.begin();
  auto b = second.begin();
  while (a != first.end() || b != second.end()) {
    const int order = a == first.end() ? 1 : b == second.end() ? -1 : a->first.compare(b->first);
    visit(order <= 0 ? a->first : b->first, order <= 0 ? &a->second : nullptr,
          order >= 0 ? &b->second : nullptr);
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
}

}  // namespace cloudos::network::linuxbridge
