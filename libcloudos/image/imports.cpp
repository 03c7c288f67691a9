#include "image/imports.hpp"

#include <fmt/format.h>

#include "image/charge.hpp"
#include "image/fetch.hpp"

// What is asked for: records of imports, and the commits that begin them.
namespace cloudos {

using tasks::TaskRecord;

namespace {

constexpr std::array<std::string_view, 4> kImportMethodNames{"glance-direct", "web-download",
                                                             "copy-image", "glance-download"};
constexpr std::array<std::string_view, 4> kImageTaskStatusNames{"pending", "processing", "success",
                                                                "failure"};

template <class Enum, std::size_t N>
std::optional<Enum> named_enum(std::string_view text,
                               const std::array<std::string_view, N>& names) {
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

Failure image_task_not_found(const TaskId& id) {
  return fail(ErrorCode::NotFound, fmt::format("task {} is not known", id.value.substr(0, 64)));
}

Result<void> check_task_admin(const Context& ctx) {
  if (ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "only an admin uses the tasks API");
}

/// Names in one string, as a task's parameters and Glance's properties have them.
std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

/// May this import take the image, as it is now?
Result<void> check_importable(const ImageImport& wish, const Image& image) {
  const ImageStatus wanted = wish.method == ImportMethod::GlanceDirect ? ImageStatus::Uploading
                                                                       : ImageStatus::Queued;
  if (image.status != wanted) {
    return fail(ErrorCode::Conflict,
                fmt::format("image {} is {}: {} needs one that is {}", image.id.value,
                            to_string(image.status), to_string(wish.method), to_string(wanted)));
  }
  if (image.disk_format == DiskFormat::Unset || image.container_format == ContainerFormat::Unset) {
    return fail(ErrorCode::Conflict,
                "disk_format and container_format must be set before data is imported");
  }
  return Result<void>();
}

}  // namespace

std::string_view to_string(ImportMethod method) {
  return kImportMethodNames.at(static_cast<std::size_t>(method));
}
std::optional<ImportMethod> import_method_from(std::string_view text) {
  return named_enum<ImportMethod>(text, kImportMethodNames);
}
std::string_view to_string(ImageTaskStatus status) {
  return kImageTaskStatusNames.at(static_cast<std::size_t>(status));
}
std::optional<ImageTaskStatus> image_task_status_from(std::string_view text) {
  return named_enum<ImageTaskStatus>(text, kImageTaskStatusNames);
}

void fields(codec::FieldVisitor& v, ImageImport& i) {
  v.field({1, "method"}, i.method);
  v.field({2, "uri"}, i.uri);
  v.field({3, "stores"}, i.stores);
  v.field({4, "all_stores"}, i.all_stores);
  v.field({5, "all_stores_must_succeed"}, i.all_stores_must_succeed);
  v.field({6, "region"}, i.region);
  v.field({7, "interface"}, i.interface);
  v.field({8, "remote_image"}, i.remote_image);
}

void fields(codec::FieldVisitor& v, ImageTask& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "type"}, t.type);
  v.field({4, "status"}, t.status);
  v.field({5, "image"}, t.image);
  v.field({6, "owner"}, t.owner);
  v.field({7, "user"}, t.user);
  v.field({8, "request_id"}, t.request_id);
  v.field({9, "request"}, t.request);
  v.field({10, "import_from_format"}, t.import_from_format);
  v.field({11, "image_properties"}, t.image_properties);
  v.field({12, "message"}, t.message);
  v.field({13, "created_at"}, t.created_at);
  v.field({14, "updated_at"}, t.updated_at);
  v.field({15, "expires_at"}, t.expires_at);
  v.unknown(t.unknown);
}

void keys(records::Keys& k, const ImageTask& t) {
  if (!t.image.empty()) k.index("image", t.image.value);
}

Certificates& Images::certificates() { return *impl_->certificates; }
ImageImports& Images::imports() { return *impl_->imports; }

Result<std::unique_ptr<ImageImports>> make_imports(Images::Impl& images, image::OpenUrl open_url,
                                                   image::RemoteServices remote) {
  const Engine& engine = images.engine;
  auto impl = std::make_unique<ImageImports::Impl>(images);
  if (engine.data_dir.empty()) {
    impl->staging = image::open_payload_memory(limits::kImageMemoryBytes);
  } else {
    CLOUDOS_TRY(impl->staging, image::open_payload_files(engine.data_dir / "image-staging"));
    impl->work = std::filesystem::absolute(engine.data_dir) / "image-staging" / "converted";
    std::error_code error;
    std::filesystem::create_directories(impl->work, error);
    if (error) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("the folder of conversions cannot be made: {}", error.message()));
    }
  }
  impl->open_url = std::move(open_url);
  if (!impl->open_url) impl->open_url = [&images](const std::string& url, const image::GoOn& go_on)
      -> Result<std::unique_ptr<ByteSource>> {
    image::FetchRequest request;
    request.url = url;
    request.go_on = go_on;
    CLOUDOS_TRY(auto body, images.fetcher->get(request));
    return std::unique_ptr<ByteSource>(std::move(body));
  };
  impl->remote = std::move(remote);
  if (!impl->remote.open) {
    CLOUDOS_TRY(impl->remote.open, image::open_by_network(images));
  }
  engine.runner.add(image::import_task(*impl));
  engine.runner.add(image::import_copy_task(*impl));
  Reconciler reconciler;
  reconciler.name = "image-imports";
  reconciler.period = std::chrono::minutes(5);
  // The runner stops before its services go, so the pointer holds whenever a pass runs.
  reconciler.pass = [raw = impl.get()] { return raw->sweep(); };
  engine.runner.add(std::move(reconciler));
  return std::make_unique<ImageImports>(std::move(impl));
}

ImageImports::ImageImports(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageImports::~ImageImports() = default;

bool ImageImports::Impl::offers(ImportMethod method) const {
  switch (method) {
    case ImportMethod::GlanceDirect: return options().glance_direct;
    case ImportMethod::WebDownload: return options().web_download;
    case ImportMethod::CopyImage: return options().copy_image;
    case ImportMethod::GlanceDownload: return options().glance_download;
  }
  return false;
}

std::vector<ImportMethod> ImageImports::methods() const {
  std::vector<ImportMethod> all;
  for (const ImportMethod method :
       {ImportMethod::GlanceDirect, ImportMethod::WebDownload, ImportMethod::CopyImage,
        ImportMethod::GlanceDownload}) {
    if (impl_->offers(method)) all.push_back(method);
  }
  return all;
}

namespace {

/// The wish with its stores named, and its URL looked at, before anything is recorded.
Result<ImageImport> checked_wish(const ImageImports::Impl& imports, ImageImport wish) {
  const Images::Impl& images = imports.images;
  if (wish.all_stores && !wish.stores.empty()) {
    return fail(ErrorCode::InvalidArgument, "all_stores and stores exclude each other");
  }
  if (wish.stores.size() > limits::kImageImportStores) {
    return fail(ErrorCode::TooLarge, "too many stores are named");
  }
  if (wish.all_stores) {
    for (const auto& store : images.set->all())
      if (store->payloads) wish.stores.push_back(store->name);
  }
  CLOUDOS_TRY(wish.stores, images.set->choose(wish.stores, std::nullopt));
  if (wish.method != ImportMethod::WebDownload) {
    wish.uri.clear();
    if (wish.method == ImportMethod::GlanceDownload)
      CLOUDOS_CHECK(image::check_remote_wish(imports, wish));
    return wish;
  }
  CLOUDOS_TRY(const image::Url url, image::parse_url(wish.uri));
  const auto allowed = images.fetcher->guard().check_url(url);
  // The caller's rights are not in question: it is the request that is wrong.
  if (!allowed) return fail(ErrorCode::InvalidArgument, allowed.error().message);
  return wish;
}

ImageTask new_image_task(const Context& ctx, const Engine& engine, const ImageImport& wish) {
  ImageTask task;
  task.id = engine.ids.make<TaskId>();
  task.type = "api_image_import";
  task.owner = ctx.project;
  task.user = ctx.user;
  task.request_id = ctx.request_id;
  task.request = wish;
  task.created_at = task.updated_at = engine.clock.wall();
  return task;
}

TaskRecord durable_task(const Context& ctx, const ImageTask& task, const Image& image,
                        std::string_view type, bool inject) {
  TaskRecord record;
  record.id = task.id;
  record.type = type;
  record.params = {{"image", image.id.value},
                   {"method", std::string(to_string(task.request.method))},
                   {"uri", task.request.uri},
                   {"stores", joined(task.request.stores)},
                   {"all", task.request.all_stores_must_succeed ? "1" : ""},
                   {"inject", inject ? "1" : ""}};
  if (task.request.method == ImportMethod::GlanceDownload) {
    record.params.insert({{"region", task.request.region},
                          {"interface", task.request.interface},
                          {"remote_image", task.request.remote_image.value},
                          {"token", task.request.token},
                          {"user", ctx.user.value},
                          // A role's name may hold a comma, and no control character.
                          {"roles", fmt::format("{}", fmt::join(ctx.roles, "\n"))},
                          {"admin", ctx.is_admin ? "1" : ""}});
  }
  record.resource = "image/" + image.id.value;
  record.project = image.owner;
  record.request_id = ctx.request_id;
  record.traceparent = ctx.traceparent;
  record.created_at = task.created_at;
  return record;
}

bool injects(const ImageImportOptions& options, const Context& ctx) {
  if (options.inject_properties.empty()) return false;
  return std::none_of(ctx.roles.begin(), ctx.roles.end(), [&](const std::string& role) {
    const auto& except = options.inject_not_for;
    return std::find(except.begin(), except.end(), role) != except.end();
  });
}

/// Within the commit: the image is the import's from now on.
Result<void> begin_import(store::Txn& txn, const Context& ctx, const ImageImports::Impl& imports,
                          ImageTask& task) {
  CLOUDOS_TRY(const Image image,
              image::modify_image(txn, task.image, [&](Image& saved) -> Result<void> {
    CLOUDOS_CHECK(image::check_may_change(ctx, saved));
    CLOUDOS_CHECK(check_importable(task.request, saved));
    saved.status = ImageStatus::Importing;
    saved.importing_to = task.request.stores;
    saved.failed_stores.clear();
    saved.properties[std::string(image::kImportTaskProperty)] = task.id.value;
    saved.updated_at = task.created_at;
    return Result<void>();
  }));
  CLOUDOS_CHECK(records::insert(txn, task));
  return tasks::enqueue(txn, durable_task(ctx, task, image, image::kImportTask,
                                          injects(imports.options(), ctx)));
}

/// Within the commit: copies of what the image has already.
Result<void> begin_copies(store::Txn& txn, const Context& ctx, ImageTask& task) {
  CLOUDOS_TRY(const Image image, records::get<Image>(txn, task.image));
  CLOUDOS_CHECK(image::check_may_change(ctx, image));
  if (image.status != ImageStatus::Active) {
    return fail(ErrorCode::Conflict,
                fmt::format("image {} is {}: copy-image needs one that is active", image.id.value,
                            to_string(image.status)));
  }
  CLOUDOS_CHECK(records::insert(txn, task));
  return tasks::enqueue(txn, durable_task(ctx, task, image, image::kImportCopyTask, false));
}

}  // namespace

Result<ImageTask> ImageImports::import(const Context& ctx, const ImageId& id,
                                       const ImageImport& asked) {
  const Engine& engine = impl_->images.engine;
  CLOUDOS_CHECK(check_call(ctx, engine.clock));
  CLOUDOS_TRY(const Image seen, impl_->images.visible(ctx, id));
  CLOUDOS_CHECK(image::check_may_change(ctx, seen));
  if (!impl_->offers(asked.method)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("this cloud does not offer {}", to_string(asked.method)));
  }
  CLOUDOS_TRY(const ImageImport wish, checked_wish(*impl_, asked));
  const image::Claim staging(impl_->images, id, std::string(image::kStagingClaim));
  if (wish.method == ImportMethod::GlanceDirect && seen.status == ImageStatus::Uploading &&
      (!staging.holds() || !impl_->staging->open(id))) {
    return fail(ErrorCode::Conflict, fmt::format("the data of image {} is not all staged yet",
                                                 id.value));
  }
  ImageTask task = new_image_task(ctx, engine, wish);
  task.image = id;
  ImageTask stored;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    stored = task;
    if (wish.method == ImportMethod::CopyImage) return begin_copies(txn, ctx, stored);
    return begin_import(txn, ctx, *impl_, stored);
  }));
  engine.runner.wake();
  stored.request.token.clear();
  return stored;
}

Result<ImageTask> ImageImports::create_task(const Context& ctx, const ImageTaskCreate& spec) {
  const Engine& engine = impl_->images.engine;
  CLOUDOS_CHECK(check_call(ctx, engine.clock));
  CLOUDOS_CHECK(check_task_admin(ctx));
  if (!impl_->offers(ImportMethod::WebDownload)) {
    return fail(ErrorCode::InvalidArgument, "this cloud does not offer web-download");
  }
  ImageImport wish;
  wish.method = ImportMethod::WebDownload;
  wish.uri = spec.import_from;
  CLOUDOS_TRY(wish, checked_wish(*impl_, wish));
  const auto format = disk_format_from(spec.import_from_format);
  if (!format) return fail(ErrorCode::InvalidArgument, "import_from_format is no disk format");
  ImageCreate create = spec.image;
  if (create.disk_format == DiskFormat::Unset) create.disk_format = *format;
  if (create.container_format == ContainerFormat::Unset)
    create.container_format = ContainerFormat::Bare;
  CLOUDOS_TRY(const Image image,
              image::new_image(image::Caller(ctx, impl_->images.guard), create));
  ImageTask task = new_image_task(ctx, engine, wish);
  task.type = "import";
  task.image = engine.ids.make<ImageId>();
  task.import_from_format = spec.import_from_format;
  task.image_properties = spec.image_properties;
  ImageTask stored;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    stored = task;
    Image fresh = image;
    fresh.id = task.image;
    fresh.created_at = fresh.updated_at = task.created_at;
    CLOUDOS_CHECK(image::insert_image(txn, fresh));
    return begin_import(txn, ctx, *impl_, stored);
  }));
  engine.runner.wake();
  return stored;
}

namespace {

/// Pending until its durable task began.
Result<ImageTask> as_of(const store::Snapshot& at, ImageTask task) {
  if (task.status != ImageTaskStatus::Pending) return task;
  const auto durable = records::get<TaskRecord>(at, task.id);
  if (durable && durable->state != TaskState::Queued) task.status = ImageTaskStatus::Processing;
  if (!durable && durable.error().code != ErrorCode::NotFound) return fail(durable.error());
  return task;
}

}  // namespace

Result<ImageTask> ImageImports::task(const Context& ctx, const TaskId& id) const {
  CLOUDOS_CHECK(check_task_admin(ctx));
  CLOUDOS_TRY(const auto snapshot, impl_->images.engine.store.snapshot());
  const auto task = records::get<ImageTask>(*snapshot, id);
  if (!task && task.error().code == ErrorCode::NotFound) return image_task_not_found(id);
  if (!task) return fail(task.error());
  return as_of(*snapshot, *task);
}

Result<std::vector<ImageTask>> ImageImports::tasks(const Context& ctx,
                                                   const ImageTaskQuery& query) const {
  CLOUDOS_CHECK(check_task_admin(ctx));
  CLOUDOS_TRY(const auto snapshot, impl_->images.engine.store.snapshot());
  records::PageSpec<ImageTask> spec;
  spec.range.newest_first = !query.oldest_first;
  spec.matches = [&](const ImageTask& task) {
    if (!query.type.empty() && task.type != query.type) return false;
    if (!query.status) return true;
    const auto now = as_of(*snapshot, task);
    return now && now->status == *query.status;
  };
  spec.marker = query.marker;
  spec.limit = query.limit;
  CLOUDOS_TRY(auto found, records::page<ImageTask>(*snapshot, spec));
  for (ImageTask& task : found) {
    CLOUDOS_TRY(task, as_of(*snapshot, std::move(task)));
  }
  return found;
}

Result<std::vector<ImageTask>> ImageImports::image_tasks(const Context& ctx,
                                                         const ImageId& id) const {
  CLOUDOS_CHECK(impl_->images.visible(ctx, id));
  CLOUDOS_TRY(const auto snapshot, impl_->images.engine.store.snapshot());
  records::PageSpec<ImageTask> spec;
  spec.range = {"image", id.value, true};
  spec.matches = [&](const ImageTask& task) { return ctx.is_admin || task.owner == ctx.project; };
  CLOUDOS_TRY(auto found, records::page<ImageTask>(*snapshot, spec));
  for (ImageTask& task : found) {
    CLOUDOS_TRY(task, as_of(*snapshot, std::move(task)));
  }
  return found;
}

}  // namespace cloudos
