/* The C interface from C99: a whole life of a server, errors, threads, an event loop, and what a
 * caller gets wrong. Prints each check that fails; the exit code is 0 only when none did. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloudos.h"

static int failures;
static char folder[] = "/tmp/cloudos-c-test-XXXXXX";
static char disk[sizeof(folder) + 8];

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
      ++failures;                                                          \
    }                                                                      \
  } while (0)

/* The call succeeds; if not, its error is shown. */
static int ok(cloudos_code code, cloudos_error **error, int line) {
  if (code == CLOUDOS_OK) return 1;
  fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, line, cloudos_code_name(code),
          cloudos_error_message(*error));
  cloudos_error_free(*error);
  *error = NULL;
  ++failures;
  return 0;
}
#define OK(call) ok((call), &error, __LINE__)

/* The call fails by this code, with a message that has this in it. */
static void fails(cloudos_code code, cloudos_error **error, cloudos_code wanted, const char *text,
                  int line) {
  if (code != wanted || cloudos_error_code(*error) != wanted ||
      strstr(cloudos_error_message(*error), text) == NULL) {
    fprintf(stderr, "%s:%d: got %s: '%s', not %s with '%s'\n", __FILE__, line,
            cloudos_code_name(code), cloudos_error_message(*error), cloudos_code_name(wanted),
            text);
    ++failures;
  }
  cloudos_error_free(*error);
  *error = NULL;
}
#define FAILS(call, wanted, text) fails((call), &error, (wanted), (text), __LINE__)

static cloudos_cloud *open_in_memory(int workers) {
  static const char *const hosts[] = {"host-1", "host-2"};
  cloudos_options options = CLOUDOS_OPTIONS_INIT;
  cloudos_error *error = NULL;
  cloudos_cloud *cloud = NULL;
  options.workers = workers;
  options.hosts = hosts;
  options.host_count = 2;
  if (!OK(cloudos_open(&options, &cloud, &error))) exit(1);
  return cloud;
}

static cloudos_image *make_image(cloudos_cloud *cloud) {
  cloudos_image_spec spec = CLOUDOS_IMAGE_SPEC_INIT;
  cloudos_error *error = NULL;
  cloudos_image *image = NULL;
  spec.name = "small";
  if (!OK(cloudos_image_create_from_file(cloud, &spec, disk, &image, &error))) exit(1);
  return image;
}

static void test_life_of_a_server(void) {
  cloudos_cloud *cloud = open_in_memory(0);
  cloudos_image *image = make_image(cloud);
  cloudos_error *error = NULL;
  cloudos_network *network = NULL;
  cloudos_network_spec network_spec = CLOUDOS_NETWORK_SPEC_INIT;
  cloudos_flavors *flavors = NULL;
  cloudos_server_spec spec = CLOUDOS_SERVER_SPEC_INIT;
  cloudos_server *server = NULL, *ready = NULL;
  cloudos_server_iterator *iterator = NULL;
  const cloudos_server *each = NULL;
  cloudos_task *task = NULL;
  const char *networks[1];
  int count = 0;

  CHECK(strcmp(cloudos_image_status(image), "active") == 0);
  CHECK(cloudos_image_size_bytes(image) == 512);
  network_spec.name = "net";
  network_spec.cidr = "10.20.0.0/24";
  if (!OK(cloudos_network_create(cloud, &network_spec, &network, &error))) exit(1);
  CHECK(strlen(cloudos_network_subnet(network)) > 0);
  if (!OK(cloudos_flavor_list(cloud, &flavors, &error))) exit(1);
  CHECK(cloudos_flavors_count(flavors) > 0);
  CHECK(cloudos_flavor_vcpus(cloudos_flavors_at(flavors, 0)) > 0);
  CHECK(cloudos_flavors_at(flavors, 1000) == NULL);

  networks[0] = cloudos_network_id(network);
  spec.name = "first";
  spec.flavor = cloudos_flavor_id(cloudos_flavors_at(flavors, 0));
  spec.image = cloudos_image_id(image);
  spec.networks = networks;
  spec.network_count = 1;
  if (!OK(cloudos_server_create(cloud, &spec, &server, &error))) exit(1);
  CHECK(strcmp(cloudos_server_status(server), "BUILD") == 0);
  OK(cloudos_server_wait(cloud, cloudos_server_id(server), 30000, &ready, &error));
  CHECK(strcmp(cloudos_server_status(ready), "ACTIVE") == 0);
  CHECK(strncmp(cloudos_server_host(ready), "host-", 5) == 0);
  CHECK(cloudos_server_address_count(ready) == 1);
  CHECK(strncmp(cloudos_server_address(ready, 0), "10.20.0.", 8) == 0);
  CHECK(strcmp(cloudos_server_address(ready, 1), "") == 0);
  CHECK(strcmp(cloudos_server_fault(ready), "") == 0);

  OK(cloudos_server_list(cloud, NULL, &iterator, &error));
  while (OK(cloudos_server_next(iterator, &each, &error)) && each != NULL) {
    CHECK(strcmp(cloudos_server_name(each), "first") == 0);
    ++count;
  }
  CHECK(count == 1);
  cloudos_server_iterator_free(iterator);

  OK(cloudos_server_delete(cloud, cloudos_server_id(server), &task, &error));
  CHECK(strcmp(cloudos_task_type(task), "delete-server") == 0);
  OK(cloudos_task_wait(cloud, cloudos_task_id(task), 30000, NULL, &error));
  FAILS(cloudos_server_get(cloud, cloudos_server_id(server), NULL, &error), CLOUDOS_NOT_FOUND, "");
  FAILS(cloudos_server_wait(cloud, cloudos_server_id(server), 30000, NULL, &error),
        CLOUDOS_NOT_FOUND, "");
  OK(cloudos_network_delete(cloud, cloudos_network_id(network), &error));
  OK(cloudos_image_delete(cloud, cloudos_image_id(image), &error));

  cloudos_task_free(task);
  cloudos_server_free(server);
  cloudos_server_free(ready);
  cloudos_flavors_free(flavors);
  cloudos_network_free(network);
  cloudos_image_free(image);
  cloudos_close(cloud);
}

static void test_every_verb(void) {
  cloudos_cloud *cloud = open_in_memory(0);
  cloudos_error *error = NULL;
  char *reply = NULL;
  char *verbs = cloudos_verbs();
  CHECK(verbs != NULL && strstr(verbs, "\"servers.create\"") != NULL);
  cloudos_free(verbs);
  if (OK(cloudos_call(cloud, "networks.create", "{\"name\": \"by-call\"}", &reply, &error))) {
    CHECK(strstr(reply, "\"by-call\"") != NULL);
    cloudos_free(reply);
  }
  if (OK(cloudos_call(cloud, "networks.list", NULL, &reply, &error))) {
    CHECK(reply[0] == '[');
    cloudos_free(reply);
  }
  OK(cloudos_call(cloud, "networks.list", "{}", NULL, NULL));
  FAILS(cloudos_call(cloud, "servers.crate", "{}", &reply, &error), CLOUDOS_INVALID_ARGUMENT,
        "servers.create");
  FAILS(cloudos_call(cloud, "servers.list", "[]", &reply, &error), CLOUDOS_INVALID_ARGUMENT, "");
  FAILS(cloudos_call(cloud, "servers.list", "{", &reply, &error), CLOUDOS_INVALID_ARGUMENT, "");
  FAILS(cloudos_call(cloud, "servers.show", "{\"id\": \"none\"}", &reply, &error),
        CLOUDOS_NOT_FOUND, "none");
  cloudos_close(cloud);
}

/* A caller that was compiled against a later header. */
struct later_options {
  cloudos_options known;
  int later;
};

static void test_what_callers_get_wrong(void) {
  cloudos_error *error = NULL;
  cloudos_cloud *cloud = NULL;
  cloudos_options options = CLOUDOS_OPTIONS_INIT;
  struct later_options later;
  FAILS(cloudos_open(NULL, NULL, &error), CLOUDOS_INVALID_ARGUMENT, "NULL");
  FAILS(cloudos_call(NULL, "servers.list", NULL, NULL, &error), CLOUDOS_INVALID_ARGUMENT,
        "cloudos_call: cloud is NULL");
  FAILS(cloudos_server_get(NULL, "x", NULL, &error), CLOUDOS_INVALID_ARGUMENT, "NULL");
  CHECK(cloudos_server_create(NULL, NULL, NULL, NULL) == CLOUDOS_INVALID_ARGUMENT);
  CHECK(strcmp(cloudos_server_id(NULL), "") == 0 && cloudos_flavors_count(NULL) == 0);
  CHECK(cloudos_next_deadline(NULL) == -1 && cloudos_wake_fd(NULL) == -1);
  cloudos_close(NULL);
  cloudos_free(NULL);
  cloudos_error_free(NULL);
  cloudos_server_free(NULL);

  options.struct_size = 0;
  FAILS(cloudos_open(&options, &cloud, &error), CLOUDOS_INVALID_ARGUMENT, "struct_size");
  options.struct_size = sizeof(options);
  options.workers = -2;
  FAILS(cloudos_open(&options, &cloud, &error), CLOUDOS_INVALID_ARGUMENT, "workers");
  memset(&later, 0, sizeof(later));
  later.known.struct_size = sizeof(later);
  later.later = 1;
  FAILS(cloudos_open(&later.known, &cloud, &error), CLOUDOS_UNSUPPORTED, "cloudos_options");
  later.later = 0;
  if (OK(cloudos_open(&later.known, &cloud, &error))) cloudos_close(cloud);
  /* One compiled against a header in which the struct ended early. */
  memset(&options, 0, sizeof(options));
  options.struct_size = offsetof(cloudos_options, workers);
  options.workers = -2;
  if (OK(cloudos_open(&options, &cloud, &error))) cloudos_close(cloud);

  CHECK(strcmp(cloudos_code_name(CLOUDOS_NOT_FOUND), "NotFound") == 0);
  CHECK(strcmp(cloudos_code_name((cloudos_code)99), "Unknown") == 0);
  CHECK(cloudos_code_is_retryable(CLOUDOS_TIMEOUT) == 1);
  CHECK(cloudos_code_is_retryable(CLOUDOS_NOT_FOUND) == 0);
}

static void test_failures_of_tasks_are_errors(void) {
  cloudos_cloud *cloud = open_in_memory(0);
  cloudos_image *image = make_image(cloud);
  cloudos_error *error = NULL;
  cloudos_server_spec spec = CLOUDOS_SERVER_SPEC_INIT;
  cloudos_server *server = NULL;
  cloudos_image_spec image_spec = CLOUDOS_IMAGE_SPEC_INIT;
  char *reply = NULL;
  OK(cloudos_call(cloud, "flavors.create",
                  "{\"id\": \"huge\", \"name\": \"huge\", \"vcpus\": 1, \"ram\": 99999999,"
                  " \"disk\": 1}",
                  &reply, &error));
  cloudos_free(reply);
  spec.name = "never";
  spec.flavor = "huge";
  spec.image = cloudos_image_id(image);
  spec.no_network = 1;
  if (cloudos_server_create(cloud, &spec, &server, &error) == CLOUDOS_OK) {
    FAILS(cloudos_server_wait(cloud, cloudos_server_id(server), 30000, NULL, &error),
          CLOUDOS_NO_CAPACITY, "");
    cloudos_server_free(server);
  } else {
    CHECK(cloudos_error_code(error) == CLOUDOS_QUOTA_EXCEEDED);
    cloudos_error_free(error);
  }
  spec.flavor = "none";
  FAILS(cloudos_server_create(cloud, &spec, &server, &error), CLOUDOS_INVALID_ARGUMENT, "");
  image_spec.name = "x";
  FAILS(cloudos_image_create_from_file(cloud, &image_spec, "/nowhere/at/all", NULL, &error),
        CLOUDOS_NOT_FOUND, "");
  FAILS(cloudos_image_create_from_file(cloud, &image_spec, folder, NULL, &error),
        CLOUDOS_UNAVAILABLE, "");
  image_spec.disk_format = "no such format";
  FAILS(cloudos_image_create_from_file(cloud, &image_spec, disk, NULL, &error),
        CLOUDOS_INVALID_ARGUMENT, "");
  if (OK(cloudos_call(cloud, "images.list", NULL, &reply, &error))) {
    CHECK(strstr(reply, "\"queued\"") == NULL); /* What failed left no image. */
    cloudos_free(reply);
  }
  cloudos_image_free(image);
  cloudos_close(cloud);
}

static void test_callers(void) {
  cloudos_cloud *cloud = open_in_memory(0), *other = NULL;
  cloudos_error *error = NULL;
  cloudos_caller caller = CLOUDOS_CALLER_INIT;
  char *reply = NULL;
  caller.project = "11111111111111111111111111111111";
  caller.user = "22222222222222222222222222222222";
  caller.as_member = 1;
  if (!OK(cloudos_as(cloud, &caller, &other, &error))) exit(1);
  OK(cloudos_call(cloud, "networks.create", "{\"name\": \"mine\"}", NULL, &error));
  if (OK(cloudos_call(other, "networks.list", NULL, &reply, &error))) {
    CHECK(strcmp(reply, "[]") == 0);
    cloudos_free(reply);
  }
  FAILS(cloudos_call(other, "hypervisors.list", NULL, NULL, &error), CLOUDOS_FORBIDDEN, "");
  caller.token = "nonsense";
  FAILS(cloudos_as(cloud, &caller, &other, &error), CLOUDOS_INVALID_ARGUMENT, "token");
  memset(&caller, 0, sizeof(caller));
  caller.struct_size = sizeof(caller);
  caller.token = "nonsense";
  FAILS(cloudos_as(cloud, &caller, NULL, &error), CLOUDOS_INVALID_ARGUMENT, "NULL");
  {
    cloudos_cloud *nobody = NULL;
    FAILS(cloudos_as(cloud, &caller, &nobody, &error), CLOUDOS_UNAUTHENTICATED, "");
    CHECK(nobody == NULL);
  }
  /* The cloud lives until its last handle. */
  cloudos_close(cloud);
  OK(cloudos_call(other, "networks.list", NULL, NULL, &error));
  cloudos_close(other);
}

static void test_iterators_end_with_their_cloud(void) {
  cloudos_cloud *cloud = open_in_memory(0);
  cloudos_error *error = NULL;
  cloudos_server_iterator *iterator = NULL;
  cloudos_server_query query = CLOUDOS_SERVER_QUERY_INIT;
  const cloudos_server *each = NULL;
  query.status = "NO SUCH STATUS";
  query.all_projects = 1;
  if (OK(cloudos_server_list(cloud, &query, &iterator, &error))) {
    OK(cloudos_server_next(iterator, &each, &error));
    CHECK(each == NULL);
  }
  cloudos_close(cloud);
  cloudos_server_iterator_free(iterator);
}

static void test_an_event_loop(void) {
  cloudos_cloud *cloud = open_in_memory(CLOUDOS_NO_WORKERS);
  cloudos_image *image = make_image(cloud);
  cloudos_error *error = NULL;
  cloudos_server_spec spec = CLOUDOS_SERVER_SPEC_INIT;
  cloudos_server *server = NULL;
  int active = 0, rounds;
  spec.name = "driven";
  spec.flavor = "1";
  spec.image = cloudos_image_id(image);
  spec.no_network = 1;
  if (!OK(cloudos_server_create(cloud, &spec, &server, &error))) exit(1);
  CHECK(cloudos_wake_fd(cloud) >= 0);
  for (rounds = 0; rounds < 1000 && !active; ++rounds) {
    struct pollfd wake;
    int64_t due = cloudos_next_deadline(cloud);
    cloudos_server *now = NULL;
    wake.fd = cloudos_wake_fd(cloud);
    wake.events = POLLIN;
    poll(&wake, 1, due < 0 || due > 100 ? 100 : (int)due);
    OK(cloudos_run_pending(cloud, 50, NULL, &error));
    OK(cloudos_server_get(cloud, cloudos_server_id(server), &now, &error));
    active = strcmp(cloudos_server_status(now), "ACTIVE") == 0;
    cloudos_server_free(now);
  }
  CHECK(active);
  cloudos_server_free(server);
  cloudos_image_free(image);
  cloudos_close(cloud);

  cloud = open_in_memory(0);
  CHECK(cloudos_wake_fd(cloud) == -1);
  FAILS(cloudos_run_pending(cloud, 0, NULL, &error), CLOUDOS_CONFLICT, "CLOUDOS_NO_WORKERS");
  cloudos_close(cloud);
}

static void count_lines(void *data, cloudos_log_level level, const char *room, const char *message,
                        const char *request_id) {
  pthread_mutex_t *mutex = (pthread_mutex_t *)data;
  pthread_mutex_lock(mutex);
  if (level < CLOUDOS_LOG_DEBUG || level > CLOUDOS_LOG_ERROR || room[0] == '\0' ||
      message[0] == '\0' || request_id == NULL) {
    ++failures;
  }
  pthread_mutex_unlock(mutex);
}

struct maker {
  cloudos_cloud *cloud;
  const char *image;
  int made;
};

static void *make_servers(void *data) {
  struct maker *maker = (struct maker *)data;
  int i;
  for (i = 0; i < 2; ++i) {
    cloudos_server_spec spec = CLOUDOS_SERVER_SPEC_INIT;
    cloudos_server *server = NULL;
    spec.name = "threaded";
    spec.flavor = "1";
    spec.image = maker->image;
    spec.no_network = 1;
    if (cloudos_server_create(maker->cloud, &spec, &server, NULL) != CLOUDOS_OK) break;
    if (cloudos_server_wait(maker->cloud, cloudos_server_id(server), 30000, NULL, NULL) ==
        CLOUDOS_OK) {
      ++maker->made;
    }
    cloudos_server_free(server);
  }
  return NULL;
}

static void test_folders_and_threads(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  cloudos_options options = CLOUDOS_OPTIONS_INIT;
  cloudos_error *error = NULL;
  cloudos_cloud *cloud = NULL, *second = NULL;
  cloudos_image *image;
  struct maker makers[4];
  pthread_t threads[4];
  char path[sizeof(folder) + 8];
  int i;
  snprintf(path, sizeof(path), "%s/cloud", folder);
  options.data_dir = path;
  options.log = count_lines;
  options.log_data = &mutex;
  options.log_level = CLOUDOS_LOG_DEBUG;
  if (!OK(cloudos_open(&options, &cloud, &error))) exit(1);
  FAILS(cloudos_open(&options, &second, &error), CLOUDOS_CONFLICT, "");
  image = make_image(cloud);
  for (i = 0; i < 4; ++i) {
    makers[i].cloud = cloud;
    makers[i].image = cloudos_image_id(image);
    makers[i].made = 0;
    pthread_create(&threads[i], NULL, make_servers, &makers[i]);
  }
  for (i = 0; i < 4; ++i) {
    pthread_join(threads[i], NULL);
    CHECK(makers[i].made == 2);
  }
  cloudos_image_free(image);
  cloudos_close(cloud);
  /* What was committed is there again. */
  if (OK(cloudos_open(&options, &cloud, &error))) {
    cloudos_server_iterator *iterator = NULL;
    const cloudos_server *each = NULL;
    int count = 0;
    OK(cloudos_server_list(cloud, NULL, &iterator, &error));
    while (OK(cloudos_server_next(iterator, &each, &error)) && each != NULL) ++count;
    CHECK(count == 8);
    cloudos_server_iterator_free(iterator);
    cloudos_close(cloud);
  }
}

int main(void) {
  FILE *file;
  char command[sizeof(folder) + 16];
  char sector[512];
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(disk, sizeof(disk), "%s/disk", folder);
  memset(sector, 'x', sizeof(sector));
  file = fopen(disk, "wb");
  if (file == NULL || fwrite(sector, 1, sizeof(sector), file) != sizeof(sector)) return 1;
  fclose(file);

  test_what_callers_get_wrong();
  test_life_of_a_server();
  test_every_verb();
  test_failures_of_tasks_are_errors();
  test_callers();
  test_iterators_end_with_their_cloud();
  test_an_event_loop();
  test_folders_and_threads();

  snprintf(command, sizeof(command), "rm -rf '%s'", folder);
  if (system(command) != 0) ++failures;
  printf("%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
