/* The library is loaded, used and unloaded again and again, also from a thread that ends only afterwards. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodelock.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static const char *path;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    return found;
}

static void *use(void *library)
{
    __typeof__(&nodelock_abi_version) abi_version;
    __typeof__(&nodelock_config_new) config_new;
    __typeof__(&nodelock_config_add_root) add_root;
    __typeof__(&nodelock_config_set_store_in_memory) in_memory;
    __typeof__(&nodelock_config_free) config_free;
    __typeof__(&nodelock_client_new) client_new;
    __typeof__(&nodelock_client_begin) begin;
    __typeof__(&nodelock_client_free) client_free;
    __typeof__(&nodelock_request_free) request_free;
    *(void **)&abi_version = symbol(library, "nodelock_abi_version");
    *(void **)&config_new = symbol(library, "nodelock_config_new");
    *(void **)&add_root = symbol(library, "nodelock_config_add_root");
    *(void **)&in_memory = symbol(library, "nodelock_config_set_store_in_memory");
    *(void **)&config_free = symbol(library, "nodelock_config_free");
    *(void **)&client_new = symbol(library, "nodelock_client_new");
    *(void **)&begin = symbol(library, "nodelock_client_begin");
    *(void **)&client_free = symbol(library, "nodelock_client_free");
    *(void **)&request_free = symbol(library, "nodelock_request_free");
    nodelock_config *config = NULL;
    nodelock_client *client = NULL;
    nodelock_request *request = NULL;
    CHECK(abi_version() == NODELOCK_ABI_VERSION);
    CHECK(config_new("Example", &config, NULL) == NODELOCK_OK);
    CHECK(add_root(config, "1QGQUkLOTo2nLbKcCpVOXKkGlUEUGRNJKDWBRoLHaTc", NULL) == NODELOCK_OK);
    CHECK(in_memory(config, NULL) == NODELOCK_OK);
    CHECK(client_new(config, &client, NULL) == NODELOCK_OK);
    CHECK(begin(client, NULL, NULL, &request, NULL) == NODELOCK_OK);
    request_free(request);
    client_free(client);
    config_free(config);
    return NULL;
}

static pthread_barrier_t unloaded;

/* Its thread-local values outlive the library. */
static void *use_and_stay(void *library)
{
    use(library);
    CHECK(dlclose(library) == 0);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_t thread;
    CHECK(count == 2);
    path = arguments[1];
    for (int i = 0; i < 5; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        use(library);
        CHECK(dlclose(library) == 0);
    }
    CHECK(pthread_barrier_init(&unloaded, NULL, 2) == 0);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    CHECK(pthread_create(&thread, NULL, use_and_stay, library) == 0);
    pthread_barrier_wait(&unloaded);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_barrier_destroy(&unloaded);
    return 0;
}
