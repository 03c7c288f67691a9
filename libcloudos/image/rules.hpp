#pragma once
#include "image/guard.hpp"

/// What an image may be and who may do what with it: pure functions of caller, record and wish.
namespace cloudos::image {

/// Own, public, community, or shared with the caller's project.
bool may_see(const Context& ctx, const Image& image);
/// Admins and the owner's project.
bool may_change(const Context& ctx, const Image& image);
/// NotFound when the caller may not see it, Forbidden when it may see but not change it.
Result<void> check_may_change(const Context& ctx, const Image& image);
Failure image_not_found(const ImageId& id);

/// The record that a create asks for, without id and times. Errors: see Images::create.
Result<Image> new_image(const Caller& caller, const ImageCreate& spec);
/// Applies all changes to `image`, or fails. Errors: see Images::update.
Result<void> apply_update(const Caller& caller, const ImageUpdate& changes, Image& image);
/// Errors: InvalidArgument, TooLarge (over `most`).
Result<void> check_tags(const std::set<std::string>& tags, std::size_t most);
/// The id in lower case. Errors: InvalidArgument (not a UUID with dashes).
Result<ImageId> checked_image_id(const ImageId& id);

/// Can a server boot from it: a disk of its own, not an archive?
bool is_bootable(ContainerFormat format);

/// Is the image in the list that `query` asks for?
bool matches(const Context& ctx, const ImageQuery& query, const Image& image);
/// Errors: TooLarge (values in one filter).
Result<void> check_query(const ImageQuery& query);
/// Does `a` come before `b` in the order of `sort`?
bool comes_before(const std::vector<ImageSort>& sort, const Image& a, const Image& b);

}  // namespace cloudos::image
