/*
 * libcloudos for C: a whole cloud inside your program.
 *
 *   cloudos_options options = CLOUDOS_OPTIONS_INIT;
 *   cloudos_error *error = NULL;
 *   cloudos_cloud *cloud = NULL;
 *   options.data_dir = "/var/lib/my-cloud";
 *   if (cloudos_open(&options, &cloud, &error) != CLOUDOS_OK) {
 *     fprintf(stderr, "%s\n", cloudos_error_message(error));
 *     cloudos_error_free(error);
 *   }
 *
 * Calls return a code; CLOUDOS_OK is 0. What else they give goes to the places that their last
 * arguments point to, each of which may be NULL when you do not want it. A place is written only
 * when the call succeeds, the one for the error only when it fails. What you are given is yours:
 * end it by the function named in its type's comment. All of those take NULL.
 *
 * Text is UTF-8 that ends with a NUL. Text that a handle returns lives as long as the handle.
 * A NULL handle where one is needed is CLOUDOS_INVALID_ARGUMENT; a function that only reads a
 * handle returns "" or 0 then.
 *
 * Every function may be called from any thread, also on one cloud at once. Closing or freeing a
 * handle is yours to order: no other call may be using it. Iterators are for one thread at a time.
 *
 * This interface is stable: within one major version of libcloudos-c.so functions are only added,
 * and structs only grow at their end. "since" says when a function came.
 */
#ifndef CLOUDOS_H
#define CLOUDOS_H

#include <stddef.h>
#include <stdint.h>

#define CLOUDOS_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---------------------------------------------------------------------------------- */

typedef enum cloudos_code {
  CLOUDOS_OK = 0,
  CLOUDOS_INVALID_ARGUMENT = 1, /* The request is wrong and stays wrong. */
  CLOUDOS_UNAUTHENTICATED = 2,  /* No valid token, or wrong credentials. */
  CLOUDOS_FORBIDDEN = 3,        /* Known, but policy says no. */
  CLOUDOS_NOT_FOUND = 4,        /* No such thing, or not yours. */
  CLOUDOS_ALREADY_EXISTS = 5,   /* A unique name, address or id is taken. */
  CLOUDOS_CONFLICT = 6,         /* In the wrong state, or busy with another task. */
  CLOUDOS_QUOTA_EXCEEDED = 7,   /* The message names resource, limit and use. */
  CLOUDOS_NO_CAPACITY = 8,      /* No host, address or segment is left. */
  CLOUDOS_TOO_LARGE = 9,        /* Over a limit of the library. */
  CLOUDOS_UNSUPPORTED = 10,     /* Known, but not on this host, driver or version. */
  CLOUDOS_STALE = 11,           /* Try again. */
  CLOUDOS_UNAVAILABLE = 12,     /* A back end does not answer now; trying again may help. */
  CLOUDOS_TIMEOUT = 13,         /* A deadline passed. */
  CLOUDOS_STORAGE_FULL = 14,    /* Nothing was changed. */
  CLOUDOS_INTERNAL = 15,        /* A bug of ours; the log has more. */
  CLOUDOS_CANCELLED = 16        /* Nothing was left half done. */
} cloudos_code;

/* "NotFound"; "Ok"; "Unknown" for a number that is no code. Lives for ever. since 0.1 */
CLOUDOS_API const char* cloudos_code_name(cloudos_code code);
/* 1 when the same call may succeed later without anyone changing anything. since 0.1 */
CLOUDOS_API int cloudos_code_is_retryable(cloudos_code code);

/* Why a call failed. End it by cloudos_error_free. */
typedef struct cloudos_error cloudos_error;
CLOUDOS_API cloudos_code cloudos_error_code(const cloudos_error* error); /* since 0.1 */
/* What happened, where, and what to do. Safe to show; holds no secret. since 0.1 */
CLOUDOS_API const char* cloudos_error_message(const cloudos_error* error);
CLOUDOS_API void cloudos_error_free(cloudos_error* error); /* since 0.1 */

/* "0.1.0". since 0.1 */
CLOUDOS_API const char* cloudos_version(void);
/* Ends text that a call gave you by a char **. since 0.1 */
CLOUDOS_API void cloudos_free(char* text);

/* ---- a cloud --------------------------------------------------------------------------------- */

/* A way into a cloud, as somebody. End it by cloudos_close. */
typedef struct cloudos_cloud cloudos_cloud;

typedef enum cloudos_backend {
  CLOUDOS_SIMULATED = 0, /* In memory: no process, no device, no root needed. */
  CLOUDOS_REAL = 1,      /* libvirt/QEMU; Linux bridges. */
  CLOUDOS_USER = 2       /* Networks only: each guest has a NAT of its own, which needs no root. */
} cloudos_backend;

/* How a program takes part in a data folder. */
typedef enum cloudos_role {
  CLOUDOS_RUNNER = 0, /* Runs it: one process at a time. */
  CLOUDOS_GUEST = 1,  /* Beside the runner: reads itself, sends its changes to the runner. */
  CLOUDOS_ANY = 2     /* Runner if nobody runs the folder, else guest. */
} cloudos_role;

/* Services to leave out: no routes, no threads, no records of theirs. */
#define CLOUDOS_WITHOUT_COMPUTE 1u
#define CLOUDOS_WITHOUT_NETWORKS 2u /* Compute needs them. */
#define CLOUDOS_WITHOUT_IMAGES 4u   /* Compute needs them. */

typedef enum cloudos_log_level {
  CLOUDOS_LOG_DEFAULT = 0, /* As INFO. */
  CLOUDOS_LOG_DEBUG = 1,
  CLOUDOS_LOG_INFO = 2,
  CLOUDOS_LOG_WARNING = 3,
  CLOUDOS_LOG_ERROR = 4
} cloudos_log_level;

/* Called from any thread, also at once from several. Must not block for long nor call a function of
 * this header. The texts live for the call only; request_id is "" when there is none. */
typedef void (*cloudos_log_function)(void* data, cloudos_log_level level, const char* room,
                                     const char* message, const char* request_id);

/* What a cloud is opened with. A member that is 0 or NULL has its default. */
typedef struct cloudos_options {
  size_t struct_size;   /* sizeof(cloudos_options): CLOUDOS_OPTIONS_INIT sets it. */
  const char* data_dir; /* Holds everything. NULL: in memory, gone with the cloud. */
  int workers;          /* Most threads for tasks; 0: 64. CLOUDOS_NO_WORKERS: none, you drive. */
  cloudos_role role;
  unsigned without; /* CLOUDOS_WITHOUT_…, or-ed; 0: every service. */
  cloudos_backend hypervisor;
  cloudos_backend network;
  const char* libvirt_uri;  /* CLOUDOS_REAL only. NULL: "qemu:///embed". */
  const char* virt_type;    /* "auto", "kvm", "qemu". NULL: "auto". */
  const char* const* hosts; /* Names of the simulated hosts. NULL: one. */
  size_t host_count;
  const char* admin_password; /* First start only. NULL: one is made and stored in clouds.yaml. */
  const char* public_url;     /* What the catalog says. NULL: "http://127.0.0.1:5000". */
  cloudos_log_function log;   /* NULL: no log. */
  void* log_data;             /* First argument of `log`. */
  cloudos_log_level log_level;
} cloudos_options;
#define CLOUDOS_NO_WORKERS (-1)
#define CLOUDOS_OPTIONS_INIT \
  { .struct_size = sizeof(cloudos_options) }

/* Opens (or makes) the folder, becomes its one runner (but see cloudos_role) and starts work on
 * what it finds. The handle acts as the administrator, in the project "admin". options may be NULL.
 * Blocks until the services answer. Errors: CONFLICT (another process runs this folder),
 * INVALID_ARGUMENT, STORAGE_FULL, UNAVAILABLE (the folder is not writable), NOT_FOUND (a guest
 * finds no folder). since 0.1 */
CLOUDOS_API cloudos_code cloudos_open(const cloudos_options* options, cloudos_cloud** cloud,
                                      cloudos_error** error);
/* Ends the handle. With the last handle of a cloud the cloud stops: running steps are waited for
 * for at most ten seconds, and guests run on. since 0.1 */
CLOUDOS_API void cloudos_close(cloudos_cloud* cloud);

/* Who a handle acts as. */
typedef struct cloudos_caller {
  size_t struct_size;  /* sizeof(cloudos_caller): CLOUDOS_CALLER_INIT sets it. */
  const char* token;   /* As whom this token was made for; the other members stay 0. */
  const char* project; /* Id of the project to act in; NULL: of the handle. Not looked up. */
  const char* user;    /* Id of the user to act as; NULL: of the handle. Not looked up. */
  int as_member;       /* 1: with the roles member and reader. 0: with those of the handle. */
  int64_t within_ms;   /* Calls by the new handle end with TIMEOUT once so long a time has passed
                          since cloudos_as. 0: as those by the handle. */
} cloudos_caller;
#define CLOUDOS_CALLER_INIT \
  { .struct_size = sizeof(cloudos_caller) }

/* Another handle on the same cloud, which acts as somebody else. You vouch for project and user;
 * a token is checked now (UNAUTHENTICATED), and not again.
 *
 * Of a handle that acts by a token: another project gives the roles that its bearer has there, as
 * a login by that token does (UNAUTHENTICATED: none, or the token has ended); user and as_member
 * are refused (INVALID_ARGUMENT). since 0.1 */
CLOUDOS_API cloudos_code cloudos_as(cloudos_cloud* cloud, const cloudos_caller* caller,
                                    cloudos_cloud** as, cloudos_error** error);

/* Calls by this handle that wait or stream end with CANCELLED, as do those that begin from now on;
 * what they had changed stays so. From any thread; other handles of the cloud go on. since 0.1 */
CLOUDOS_API void cloudos_cancel(cloudos_cloud* cloud);

/* ---- every verb ------------------------------------------------------------------------------ */

/* Does one verb: "servers.create", "images.list", … `parameters` is a JSON object or NULL; `reply`
 * gets JSON, "null" when the verb replies nothing; end it by cloudos_free. Blocks as the verb does.
 * Errors: INVALID_ARGUMENT (an unknown verb: the message names the nearest), and the service's.
 * since 0.1 */
CLOUDOS_API cloudos_code cloudos_call(cloudos_cloud* cloud, const char* verb,
                                      const char* parameters, char** reply, cloudos_error** error);
/* All verbs, by name: a JSON array of objects with "name", "method", "path", "wrapper", "reply",
 * "help", "key" (the member that names one thing: "id") and "parameters", an array of {"name",
 * "type", "required", "help"}. End it by cloudos_free. NULL when memory is short. since 0.1 */
CLOUDOS_API char* cloudos_verbs(void);

/* ---- your event loop ------------------------------------------------------------------------- */

/* With CLOUDOS_NO_WORKERS: runs what is due on this thread, until nothing is or `budget_ms` is over
 * (negative: no bound). `ran` gets how many pieces of work ran. since 0.1 */
CLOUDOS_API cloudos_code cloudos_run_pending(cloudos_cloud* cloud, int64_t budget_ms, size_t* ran,
                                             cloudos_error** error);
/* Milliseconds until the next piece of work is due: what to give poll(2). 0: now; -1: none is.
 * since 0.1 */
CLOUDOS_API int64_t cloudos_next_deadline(const cloudos_cloud* cloud);
/* Readable when there is work earlier than cloudos_next_deadline said: give it to poll(2), never
 * read or close it. -1 for NULL and for a cloud with workers. since 0.1 */
CLOUDOS_API int cloudos_wake_fd(cloudos_cloud* cloud);

/* ---- changes --------------------------------------------------------------------------------- */

/* Something was made, changed or removed: ask for it to see which; NOT_FOUND means removed. */
typedef struct cloudos_change {
  const char* kind; /* "server" */
  const char* id;
} cloudos_change;

/* What changed since the batch before. The texts live for the call of the function only. */
typedef struct cloudos_change_batch {
  size_t struct_size;
  const cloudos_change* changes; /* In no order among each other. */
  size_t count;
  int rescan;        /* 1: nobody knows any more what changed: ask for everything again. */
  uint64_t revision; /* Keep it, and pass it as `since` after a restart. */
} cloudos_change_batch;

/* Called on a thread of the cloud's (with CLOUDOS_NO_WORKERS in cloudos_run_pending), one call at a
 * time; may call the cloud. */
typedef void (*cloudos_change_function)(void* data, const cloudos_change_batch* batch);

typedef struct cloudos_subscribe_options {
  size_t struct_size;       /* sizeof: CLOUDOS_SUBSCRIBE_OPTIONS_INIT sets it. */
  const char* const* kinds; /* "server", "port", "task", ... NULL: all. */
  size_t kind_count;
  int has_since;  /* 1: tell what changed after `since`, too. */
  uint64_t since; /* A batch's revision. */
} cloudos_subscribe_options;
#define CLOUDOS_SUBSCRIBE_OPTIONS_INIT \
  { .struct_size = sizeof(cloudos_subscribe_options) }

typedef struct cloudos_subscription cloudos_subscription;
/* Has `tell` called with what changes from now on, whoever changes it: each change at least once,
 * and after it can be read. options may be NULL. Errors: FORBIDDEN (the handle is no
 * administrator's), INVALID_ARGUMENT (an unknown kind). since 0.1 */
CLOUDOS_API cloudos_code cloudos_subscribe(cloudos_cloud* cloud,
                                           const cloudos_subscribe_options* options,
                                           cloudos_change_function tell, void* data,
                                           cloudos_subscription** subscription,
                                           cloudos_error** error);
/* After this returns `tell` is not called, nor running, unless it is `tell` that ends its own,
 * which it may while a handle of the cloud is open. Like a handle, a subscription keeps its cloud
 * open. since 0.1 */
CLOUDOS_API void cloudos_subscription_end(cloudos_subscription* subscription);

/* ---- tasks ----------------------------------------------------------------------------------- */

/* A durable piece of work, as it was when you asked. End it by cloudos_task_free. */
typedef struct cloudos_task cloudos_task;
CLOUDOS_API const char* cloudos_task_id(const cloudos_task* task);   /* since 0.1 */
CLOUDOS_API const char* cloudos_task_type(const cloudos_task* task); /* "create-server" */
/* "queued", "running", "unwinding", "done", "failed", "stuck", "parked". since 0.1 */
CLOUDOS_API const char* cloudos_task_state(const cloudos_task* task);
CLOUDOS_API const char* cloudos_task_resource(const cloudos_task* task); /* "server/<id>" */
CLOUDOS_API void cloudos_task_free(cloudos_task* task);                  /* since 0.1 */

/* Waits until the task is done. A task that failed or is stuck is an error: its own. With
 * CLOUDOS_NO_WORKERS it runs the cloud's work meanwhile. Errors: NOT_FOUND, TIMEOUT, the task's.
 * since 0.1 */
CLOUDOS_API cloudos_code cloudos_task_wait(cloudos_cloud* cloud, const char* id, int64_t timeout_ms,
                                           cloudos_task** task, cloudos_error** error);

/* ---- servers --------------------------------------------------------------------------------- */

/* A server, as it was when you asked. End it by cloudos_server_free. */
typedef struct cloudos_server cloudos_server;
CLOUDOS_API const char* cloudos_server_id(const cloudos_server* server);     /* since 0.1 */
CLOUDOS_API const char* cloudos_server_name(const cloudos_server* server);   /* since 0.1 */
CLOUDOS_API const char* cloudos_server_status(const cloudos_server* server); /* "ACTIVE" */
CLOUDOS_API const char* cloudos_server_host(const cloudos_server* server);   /* "": not placed */
CLOUDOS_API const char* cloudos_server_image(const cloudos_server* server);  /* its id */
CLOUDOS_API const char* cloudos_server_flavor(const cloudos_server* server); /* its id */
CLOUDOS_API const char* cloudos_server_task(const cloudos_server* server);   /* id of the last */
CLOUDOS_API const char* cloudos_server_fault(const cloudos_server* server);  /* "": none */
CLOUDOS_API size_t cloudos_server_address_count(const cloudos_server* server);
/* "10.0.0.5"; "" behind the last. since 0.1 */
CLOUDOS_API const char* cloudos_server_address(const cloudos_server* server, size_t index);
CLOUDOS_API void cloudos_server_free(cloudos_server* server); /* since 0.1 */

typedef struct cloudos_server_spec {
  size_t struct_size; /* CLOUDOS_SERVER_SPEC_INIT sets it. */
  const char* name;
  const char* flavor; /* id */
  const char* image;  /* id */
  const char* const*
      networks; /* ids, one port each, in guest device order. NULL: see no_network. */
  size_t network_count;
  int no_network; /* 1: none. 0: the project's only network, or none if it has none. */
  const char* key_name;
  const char* user_data; /* base64 */
  const char* availability_zone;
} cloudos_server_spec;
#define CLOUDOS_SERVER_SPEC_INIT \
  { .struct_size = sizeof(cloudos_server_spec) }

/* Records a server in BUILD and queues its making. Errors: INVALID_ARGUMENT (also an unknown
 * reference), QUOTA_EXCEEDED, CONFLICT (several networks to choose from). since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_create(cloudos_cloud* cloud,
                                               const cloudos_server_spec* spec,
                                               cloudos_server** server, cloudos_error** error);
/* Waits until no task changes the server any more. One that failed is an error: its own. After a
 * delete, NOT_FOUND is how the wait ends. With CLOUDOS_NO_WORKERS it runs the cloud's work
 * meanwhile. Errors: TIMEOUT too. since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_wait(cloudos_cloud* cloud, const char* id,
                                             int64_t timeout_ms, cloudos_server** server,
                                             cloudos_error** error);
/* Errors: NOT_FOUND. since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_get(cloudos_cloud* cloud, const char* id,
                                            cloudos_server** server, cloudos_error** error);
/* Queues deletion; `task` gets the task to wait for. Errors: NOT_FOUND. since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_delete(cloudos_cloud* cloud, const char* id,
                                               cloudos_task** task, cloudos_error** error);

typedef struct cloudos_server_query {
  size_t struct_size; /* CLOUDOS_SERVER_QUERY_INIT sets it. */
  int all_projects;   /* 1: administrators see every project's. */
  const char* name;   /* A part of it, or a pattern with ^ . * + ? $ []. */
  const char* status; /* "ACTIVE" */
} cloudos_server_query;
#define CLOUDOS_SERVER_QUERY_INIT \
  { .struct_size = sizeof(cloudos_server_query) }

/* A list, newest first, read page by page. One thread at a time. End it by
 * cloudos_server_iterator_free; it may outlive its cloud, but then ends with an error. */
typedef struct cloudos_server_iterator cloudos_server_iterator;
/* query may be NULL: all of the project. since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_list(cloudos_cloud* cloud,
                                             const cloudos_server_query* query,
                                             cloudos_server_iterator** iterator,
                                             cloudos_error** error);
/* The next server, which the iterator keeps until the next call; NULL: that was the last.
 * since 0.1 */
CLOUDOS_API cloudos_code cloudos_server_next(cloudos_server_iterator* iterator,
                                             const cloudos_server** server, cloudos_error** error);
CLOUDOS_API void cloudos_server_iterator_free(cloudos_server_iterator* iterator); /* since 0.1 */

/* ---- flavors --------------------------------------------------------------------------------- */

/* The flavors that the project may use. End it by cloudos_flavors_free. */
typedef struct cloudos_flavors cloudos_flavors;
typedef struct cloudos_flavor cloudos_flavor;
CLOUDOS_API cloudos_code cloudos_flavor_list(cloudos_cloud* cloud, cloudos_flavors** flavors,
                                             cloudos_error** error); /* since 0.1 */
CLOUDOS_API size_t cloudos_flavors_count(const cloudos_flavors* flavors);
/* One of them, which the list keeps; NULL behind the last. since 0.1 */
CLOUDOS_API const cloudos_flavor* cloudos_flavors_at(const cloudos_flavors* flavors, size_t index);
CLOUDOS_API void cloudos_flavors_free(cloudos_flavors* flavors);            /* since 0.1 */
CLOUDOS_API const char* cloudos_flavor_id(const cloudos_flavor* flavor);    /* since 0.1 */
CLOUDOS_API const char* cloudos_flavor_name(const cloudos_flavor* flavor);  /* since 0.1 */
CLOUDOS_API uint32_t cloudos_flavor_vcpus(const cloudos_flavor* flavor);    /* since 0.1 */
CLOUDOS_API uint64_t cloudos_flavor_ram_mib(const cloudos_flavor* flavor);  /* since 0.1 */
CLOUDOS_API uint64_t cloudos_flavor_disk_gib(const cloudos_flavor* flavor); /* since 0.1 */

/* ---- images ---------------------------------------------------------------------------------- */

/* An image, as it was when you asked. End it by cloudos_image_free. */
typedef struct cloudos_image cloudos_image;
CLOUDOS_API const char* cloudos_image_id(const cloudos_image* image);      /* since 0.1 */
CLOUDOS_API const char* cloudos_image_name(const cloudos_image* image);    /* since 0.1 */
CLOUDOS_API const char* cloudos_image_status(const cloudos_image* image);  /* "active" */
CLOUDOS_API uint64_t cloudos_image_size_bytes(const cloudos_image* image); /* of the file */
CLOUDOS_API void cloudos_image_free(cloudos_image* image);                 /* since 0.1 */

typedef struct cloudos_image_spec {
  size_t struct_size; /* CLOUDOS_IMAGE_SPEC_INIT sets it. */
  const char* name;
  const char* disk_format; /* "raw", "qcow2", …; NULL: "raw". */
  const char* visibility;  /* "public", "private", "shared", "community"; NULL: "shared". */
  uint32_t min_disk_gib;
  uint32_t min_ram_mib;
} cloudos_image_spec;
#define CLOUDOS_IMAGE_SPEC_INIT \
  { .struct_size = sizeof(cloudos_image_spec) }

/* Makes an image of the file's bytes, which are checked against disk_format and copied; blocks as
 * long as that takes. When it fails there is no image. Errors: INVALID_ARGUMENT (also when the
 * content is refused), NOT_FOUND (the file), STORAGE_FULL. since 0.1 */
CLOUDOS_API cloudos_code cloudos_image_create_from_file(cloudos_cloud* cloud,
                                                        const cloudos_image_spec* spec,
                                                        const char* path, cloudos_image** image,
                                                        cloudos_error** error);
/* Errors: NOT_FOUND, FORBIDDEN. since 0.1 */
CLOUDOS_API cloudos_code cloudos_image_delete(cloudos_cloud* cloud, const char* id,
                                              cloudos_error** error);

/* ---- networks -------------------------------------------------------------------------------- */

/* A network, as it was when you asked. End it by cloudos_network_free. */
typedef struct cloudos_network cloudos_network;
CLOUDOS_API const char* cloudos_network_id(const cloudos_network* network);     /* since 0.1 */
CLOUDOS_API const char* cloudos_network_name(const cloudos_network* network);   /* since 0.1 */
CLOUDOS_API const char* cloudos_network_subnet(const cloudos_network* network); /* id; "": none */
CLOUDOS_API void cloudos_network_free(cloudos_network* network);                /* since 0.1 */

typedef struct cloudos_network_spec {
  size_t struct_size; /* CLOUDOS_NETWORK_SPEC_INIT sets it. */
  const char* name;
  const char* cidr;    /* "10.0.0.0/24": with one subnet, DHCP and a gateway. NULL: no subnet. */
  const char* gateway; /* NULL: the subnet's first address. "": none. */
  int no_dhcp;
} cloudos_network_spec;
#define CLOUDOS_NETWORK_SPEC_INIT \
  { .struct_size = sizeof(cloudos_network_spec) }

/* Both or nothing. Errors: INVALID_ARGUMENT, QUOTA_EXCEEDED, NO_CAPACITY. since 0.1 */
CLOUDOS_API cloudos_code cloudos_network_create(cloudos_cloud* cloud,
                                                const cloudos_network_spec* spec,
                                                cloudos_network** network, cloudos_error** error);
/* Errors: NOT_FOUND, CONFLICT (ports on it). since 0.1 */
CLOUDOS_API cloudos_code cloudos_network_delete(cloudos_cloud* cloud, const char* id,
                                                cloudos_error** error);

#ifdef __cplusplus
}
#endif
#endif /* CLOUDOS_H */
