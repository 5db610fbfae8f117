/* A library without its own HTTP, QR codes and the authority's side: every function is there, and says so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodelock.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static uint32_t unreachable(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    (void)answer;
    CHECK(strcmp(nodelock_post_url(post), "https://licenses.example.com/v1/activations") == 0);
    CHECK(strcmp(nodelock_post_authorization(post), "Bearer nld_secret") == 0);
    ++*(unsigned *)user_data;
    return NODELOCK_UNREACHABLE;
}

int main(void)
{
    nodelock_config *config = NULL;
    nodelock_client *client = NULL;
    nodelock_request *request = NULL;
    nodelock_license *license = NULL;
    nodelock_error *error = NULL;
    nodelock_qr *qr = NULL;
    unsigned tried = 0;
    CHECK(!nodelock_has_feature("online") && !nodelock_has_feature("qr") && !nodelock_has_feature("authority"));
    CHECK(nodelock_config_new("Example", &config, NULL) == NODELOCK_OK);
    CHECK(nodelock_config_add_root(config, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", NULL) == NODELOCK_OK);
    CHECK(nodelock_config_set_store_in_memory(config, NULL) == NODELOCK_OK);
    CHECK(nodelock_config_set_proxy(config, "http://localhost:1", NULL) == NODELOCK_UNSUPPORTED);
    CHECK(nodelock_config_set_no_proxy(config, NULL) == NODELOCK_UNSUPPORTED);
    CHECK(nodelock_config_trust_certificates(config, (const uint8_t *)"?", 1, NULL) == NODELOCK_UNSUPPORTED);
    CHECK(nodelock_config_trust_only_given(config, NULL) == NODELOCK_UNSUPPORTED);
    CHECK(nodelock_config_set_connect_timeout(config, 1, NULL) == NODELOCK_UNSUPPORTED);

    /* An authority needs a way to it. */
    CHECK(nodelock_config_set_authority(config, "https://licenses.example.com", NULL) == NODELOCK_OK);
    CHECK(nodelock_client_new(config, &client, &error) == NODELOCK_UNSUPPORTED);
    CHECK(client == NULL && strstr(nodelock_error_message(error), "online") != NULL);
    nodelock_error_free(error);
    CHECK(nodelock_config_set_transport(config, &tried, unreachable, NULL, NULL) == NODELOCK_OK);
    CHECK(nodelock_config_set_patience(config, 1000, 1, NULL) == NODELOCK_OK);
    CHECK(nodelock_config_set_deployment_key(config, "nld_secret\n", NULL) == NODELOCK_OK);
    CHECK(nodelock_client_new(config, &client, NULL) == NODELOCK_OK);
    CHECK(nodelock_client_activate(client, NULL, NULL, NULL, &license, NULL) == NODELOCK_UNREACHABLE);
    CHECK(tried == 1 && license == NULL);
    CHECK(nodelock_client_pending(client, &request, NULL) == NODELOCK_OK && request != NULL);
    CHECK(nodelock_request_qr(request, "", &qr, NULL) == NODELOCK_UNSUPPORTED && qr == NULL);
    nodelock_request_free(request);
    nodelock_client_free(client);
    nodelock_config_free(config);
    return 0;
}
