// A consumer in C. It runs one command for each text frame, with the C library, and sends the result back. Any other
// frame is an echo. wit-bindgen generates the header, and wasi-libc is the C library.

#include "websocket_consumer.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WEBSOCKET(name) exports_narrowboat_consumer_websocket_##name
#define CONNECTIONS(name) narrowboat_consumer_connections_##name

struct exports_narrowboat_consumer_websocket_consumer_t {
  CONNECTIONS(own_connection_t) connection;
  unsigned received;
};
typedef struct exports_narrowboat_consumer_websocket_consumer_t consumer_t;

extern char **environ;

static char result[4096];

static const char *format(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  vsnprintf(result, sizeof result, text, arguments);
  va_end(arguments);
  return result;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static const char *sleep_50_ms(void) {
  double started = seconds(CLOCK_MONOTONIC);
  nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
  return format("%f", seconds(CLOCK_MONOTONIC) - started);
}

static const char *environment(void) {
  size_t length = 0;
  result[0] = 0;
  for (char **variable = environ; variable && *variable; variable++) {
    length += snprintf(result + length, length < sizeof result ? sizeof result - length : 0, "%s\n", *variable);
  }
  return result;
}

static const char *error_unless(const void *opened) {
  return opened ? "no error" : strerror(errno);
}

// Returns the result of a command, or null for a text that is no command.
static const char *run(const char *command) {
  if (!strcmp(command, "print")) {
    printf("a line on stdout\n");
    fflush(stdout);
    fprintf(stderr, "a line on stderr\n");
    return "printed";
  }
  if (!strcmp(command, "time")) return format("%f", seconds(CLOCK_REALTIME));
  if (!strcmp(command, "random")) {
    unsigned long long number = 0;
    getentropy(&number, sizeof number);
    return format("%llu", number);
  }
  if (!strcmp(command, "sleep")) return sleep_50_ms();
  if (!strcmp(command, "env")) return environment();
  if (!strcmp(command, "open")) return error_unless(fopen("/etc/passwd", "r"));
  if (!strcmp(command, "write")) return error_unless(fopen("/tmp/narrowboat", "w"));
  if (!strcmp(command, "list")) return error_unless(opendir("/"));
  if (!strcmp(command, "input")) return getchar() == EOF ? "end" : "a byte";
  if (!strcmp(command, "exit")) exit(3);
  if (!strcmp(command, "fail")) abort();
  return NULL;
}

bool WEBSOCKET(static_consumer_connect)(WEBSOCKET(scope_t) * scope, WEBSOCKET(own_connection_t) connection,
                                        WEBSOCKET(tuple2_own_consumer_decision_t) * accepted,
                                        WEBSOCKET(refusal_t) * refusal) {
  WEBSOCKET(scope_free)(scope);
  consumer_t *consumer = calloc(1, sizeof *consumer);
  consumer->connection = connection;
  memset(accepted, 0, sizeof *accepted);
  accepted->f0 = WEBSOCKET(consumer_new)(consumer);
  accepted->f1.tag = EXPORTS_NARROWBOAT_CONSUMER_WEBSOCKET_DECISION_ACCEPT;
  return true;
}

bool WEBSOCKET(method_consumer_receive)(consumer_t *consumer, WEBSOCKET(frame_t) * frame,
                                        WEBSOCKET(error_t) * error) {
  consumer->received++;
  if (frame->tag == NARROWBOAT_CONSUMER_TYPES_FRAME_TEXT) {
    char *command = strndup((char *)frame->val.text.ptr, frame->val.text.len);
    const char *reply = !strcmp(command, "count") ? format("%u", consumer->received) : run(command);
    free(command);
    if (reply) {
      websocket_consumer_string_free(&frame->val.text);
      websocket_consumer_string_dup(&frame->val.text, reply);
    }
  }
  CONNECTIONS(send_error_t) problem;
  CONNECTIONS(borrow_connection_t) connection = CONNECTIONS(borrow_connection)(consumer->connection);
  if (!CONNECTIONS(method_connection_send)(connection, frame, &problem)) {
    CONNECTIONS(send_error_free)(&problem);
  }
  WEBSOCKET(frame_free)(frame);
  return true;
}

bool WEBSOCKET(method_consumer_handle)(consumer_t *consumer, WEBSOCKET(message_t) * message,
                                       WEBSOCKET(handling_t) * handling, WEBSOCKET(error_t) * error) {
  WEBSOCKET(message_free)(message);
  *handling = NARROWBOAT_CONSUMER_TYPES_HANDLING_UNKNOWN_TYPE;
  return true;
}

bool WEBSOCKET(method_consumer_timer)(consumer_t *consumer, WEBSOCKET(timer_id_t) id, WEBSOCKET(error_t) * error) {
  return true;
}

void WEBSOCKET(method_consumer_disconnect)(consumer_t *consumer, WEBSOCKET(closure_t) * closure) {
  WEBSOCKET(closure_free)(closure);
}

bool WEBSOCKET(method_consumer_snapshot)(consumer_t *consumer, WEBSOCKET(save_mode_t) mode,
                                         WEBSOCKET(consumer_state_t) * state,
                                         websocket_consumer_string_t *error) {
  WEBSOCKET(saved_t) *saved = &state->val.saved;
  state->tag = EXPORTS_NARROWBOAT_CONSUMER_WEBSOCKET_CONSUMER_STATE_SAVED;
  saved->schema = 1;
  saved->state.ptr = malloc(sizeof consumer->received);
  saved->state.len = sizeof consumer->received;
  memcpy(saved->state.ptr, &consumer->received, saved->state.len);
  return true;
}

bool WEBSOCKET(static_consumer_restore)(WEBSOCKET(own_connection_t) connection, WEBSOCKET(saved_t) * saved,
                                        WEBSOCKET(own_consumer_t) * restored, websocket_consumer_string_t *error) {
  consumer_t *consumer = calloc(1, sizeof *consumer);
  consumer->connection = connection;
  if (saved && saved->state.len == sizeof consumer->received) {
    memcpy(&consumer->received, saved->state.ptr, saved->state.len);
  }
  if (saved) WEBSOCKET(saved_free)(saved);
  *restored = WEBSOCKET(consumer_new)(consumer);
  return true;
}

void WEBSOCKET(consumer_destructor)(consumer_t *consumer) {
  CONNECTIONS(connection_drop_own)(consumer->connection);
  free(consumer);
}

bool WEBSOCKET(save_module)(WEBSOCKET(save_mode_t) mode, WEBSOCKET(module_state_t) * state,
                            websocket_consumer_string_t *error) {
  state->tag = EXPORTS_NARROWBOAT_CONSUMER_WEBSOCKET_MODULE_STATE_NONE;
  return true;
}

bool WEBSOCKET(load_module)(WEBSOCKET(saved_t) * saved, websocket_consumer_string_t *error) {
  WEBSOCKET(saved_free)(saved);
  return true;
}
