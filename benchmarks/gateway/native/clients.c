/* loadgen.c - closed-loop single-threaded (epoll) load generator for OpenAI-style gateways.
 * gcc -O2 -DEMBED -o loadgen loadgen.c mock.c
 * loadgen -p PORT [-c CONC] [-d SECS] [-w WARMUP_SECS] [-n MAXREQ] [-k KEY] [-m MODEL] [-P PATH]
 *         [-s N,GAP_US,FIRST_US,BURST]  (stream; mock directive)  [-B prompt_bytes] [-H 'Hdr:
 * v']... [-T timeout_s]
 *         [-A reqs_per_conn (0=keep-alive)]
 * Prints one JSON line. TTFT = request send start -> first content chunk ('@' mark of mock) seen.
 * chunk_* = mock write() -> seen here (true one-way transit of every content chunk).
 * Errors: non-200, connection lost mid-response, stream without [DONE] or with missing chunks.   */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
typedef long long ll;
static ll now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
enum { HDR, CL, CHUNK, EOFB };
typedef struct {
    int fd, st, status, chunked, wpos, alive, closehdr, nreq;
    ll remain;
    char h[16384];
    int hl;
    int cst;
    ll clen;
    int first;
    ll t0, tf;
    int nchunk, ndata, done;
    int dm, ls;
    char db[16];
} conn;
static char *req;
static int reql;
static int port = 9100, C = 1;
static double D = 5, W = 1, TO = 30;
static ll MAXN = 0;
static int stream = 0, sn, apc = 0;
static int ep;
static ll tstart, tmeas, tend;
static ll all_req, all_chunks, errs, started;
static char errmsg[300];
typedef struct {
    float *v;
    ll n, c;
} vec;
static vec L, F, X;
static ll m_req, m_chunks, m_bytes, all_bytes;
static void push(vec *a, double x) {
    if (a->n == a->c) {
        if (a->c >= 20000000)
            return;
        a->c = a->c ? a->c * 2 : 65536;
        a->v = realloc(a->v, a->c * sizeof(float));
    }
    a->v[a->n++] = x;
}
static int cmp(const void *a, const void *b) {
    float x = *(float *)a, y = *(float *)b;
    return x < y ? -1 : x > y;
}
static double pct(vec *a, double p) {
    if (!a->n)
        return -1;
    ll i = p * (a->n - 1) + 0.5;
    return a->v[i];
}
static double mean(vec *a) {
    double s = 0;
    for (ll i = 0; i < a->n; i++)
        s += a->v[i];
    return a->n ? s / a->n : -1;
}
static int stopping(ll t) {
    return t >= tend || (MAXN && started >= MAXN);
}
static void err(conn *c, const char *w) {
    errs++;
    if (!errmsg[0]) {
        int k = c->hl < 200 ? c->hl : 200;
        snprintf(errmsg, sizeof errmsg, "%s status=%d chunks=%d: ", w, c->status, c->nchunk);
        int l = strlen(errmsg);
        for (int i = 0; i < k && l < 290; i++) {
            char ch = c->h[i];
            errmsg[l++] = (ch < 32 || ch == '"' || ch == '\\') ? ' ' : ch;
        }
        errmsg[l] = 0;
    }
}
static void copen(conn *c) {
    int one = 1;
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
    if (connect(c->fd, (void *)&sa, sizeof sa)) {
        perror("connect");
        close(c->fd);
        c->fd = -1;
        c->alive = 0;
        errs++;
        return;
    }
    int fl = SOCK_NONBLOCK;
    (void)fl;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    c->nreq = 0;
}
static void cclose(conn *c) {
    if (c->fd >= 0) {
        epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0);
        close(c->fd);
        c->fd = -1;
    }
}
static int live;
static void start(conn *c) {
    ll t = now_ns();
    if (stopping(t)) {
        c->alive = 0;
        live--;
        cclose(c);
        return;
    }
    if (c->fd >= 0 && apc && c->nreq >= apc)
        cclose(c);
    c->t0 = now_ns(); /* a reconnect counts into latency */
    if (c->fd < 0)
        copen(c);
    if (c->fd < 0) {
        c->alive = 0;
        live--;
        return;
    }
    c->st = HDR;
    c->hl = 0;
    c->first = 0;
    c->nchunk = c->ndata = c->done = 0;
    c->dm = 0;
    c->ls = 0;
    c->status = 0;
    c->tf = 0;
    c->nreq++;
    started++;
    int w = 0;
    while (w < reql) {
        ssize_t k = send(c->fd, req + w, reql - w, MSG_NOSIGNAL);
        if (k <= 0) {
            err(c, "send");
            cclose(c);
            break;
        }
        w += k;
    }
    if (c->fd < 0) {
        if (errs > 2000) {
            c->alive = 0;
            live--;
            return;
        }
        start(c);
    }
}
static void finish(conn *c) {
    ll t = now_ns();
    all_req++;
    int bad = 0;
    if (c->status != 200) {
        err(c, "status");
        bad = 1;
    } else if (stream) {
        if (!c->done) {
            err(c, "no DONE");
            bad = 1;
        } else if (c->nchunk < sn) {
            err(c, "missing chunks");
            bad = 1;
        }
    }
    if (!bad && c->t0 >= tmeas && t <= tend) {
        m_req++;
        push(&L, (t - c->t0) / 1e3);
        if (c->tf)
            push(&F, (c->tf - c->t0) / 1e3);
    }
    if (c->closehdr)
        cclose(c);
    if (bad && errs > 2000) {
        c->alive = 0;
        live--;
        cclose(c);
        return;
    }
    start(c);
}
/* payload bytes: count '@' marks, decode the 15 digits, look for [DONE] */
static void payload(conn *c, const char *p, ll n, ll t) {
    all_bytes += n;
    if (t >= tmeas && t <= tend)
        m_bytes += n;
    if (!stream)
        return;
    const char *e = p + n;
    if (c->dm) {
        while (p < e && c->dm < 16) {
            c->db[c->dm - 1] = *p++;
            c->dm++;
        }
        if (c->dm == 16)
            goto full;
        return;
    }
    for (;;) {
        {
            const char *q = memchr(p, '@', e - p);
            const char *s = q ? q : e;
            if (!c->done) {
                const char *x = (s - p >= 6) ? memmem(p, s - p, "[DONE]", 6) : 0;
                if (x)
                    c->done = 1;
            }
            if (!q) { /* [DONE] split over reads is handled by hl tail */
                int k = n < 8 ? n : 8;
                memmove(c->h + 16000, c->h + 16000 + k, 16 - k > 0 ? 16 - k : 0);
                memcpy(c->h + 16000 + 16 - k, e - k, k);
                if (!c->done && memmem(c->h + 16000, 16, "[DONE]", 6))
                    c->done = 1;
                return;
            }
            if (!c->tf)
                c->tf = t;
            c->nchunk++;
            all_chunks++;
            if (t >= tmeas && t <= tend)
                m_chunks++;
            p = q + 1;
            int k = e - p < 15 ? e - p : 15;
            memcpy(c->db, p, k);
            p += k;
            c->dm = k + 1;
            if (k < 15)
                return;
        }
    full:
        {
            c->dm = 0;
            ll v = 0;
            int ok = 1;
            for (int i = 0; i < 15; i++) {
                if (c->db[i] < '0' || c->db[i] > '9') {
                    ok = 0;
                    break;
                }
                v = v * 10 + c->db[i] - '0';
            }
            if (ok && t >= tmeas && t <= tend)
                push(&X, (t % 1000000000000000LL - v) / 1e3);
        }
    }
}
/* returns 1 when response complete */
static int body(conn *c, const char *p, ll n, ll t) {
    if (c->st == CL) {
        ll k = n < c->remain ? n : c->remain;
        payload(c, p, k, t);
        c->remain -= k;
        return c->remain == 0;
    }
    if (c->st == EOFB) {
        payload(c, p, n, t);
        return 0;
    }
    while (n > 0) {
        switch (c->cst) {
        case 0: {
            char ch = *p++;
            n--;
            int d = ch >= '0' && ch <= '9'   ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : -1;
            if (d >= 0)
                c->clen = c->clen * 16 + d;
            else if (ch == '\n') {
                c->cst = c->clen ? 2 : 4;
            } else if (ch == ';')
                c->cst = 1;
            break;
        }
        case 1:
            if (*p == '\n')
                c->cst = c->clen ? 2 : 4;
            p++;
            n--;
            break;
        case 2: {
            ll k = n < c->clen ? n : c->clen;
            payload(c, p, k, t);
            p += k;
            n -= k;
            c->clen -= k;
            if (!c->clen)
                c->cst = 3;
            break;
        }
        case 3:
            if (*p == '\n') {
                c->cst = 0;
                c->clen = 0;
            }
            p++;
            n--;
            break;
        case 4:
            if (*p == '\n')
                return 1;
            if (*p != '\r')
                c->cst = 5;
            p++;
            n--;
            break; /* trailers */
        case 5:
            if (*p == '\n')
                c->cst = 4;
            p++;
            n--;
            break;
        }
    }
    return 0;
}
static char *hfind(char *h, int hl, const char *name) {
    int nl = strlen(name);
    char *p = h, *e = h + hl;
    while (p < e) {
        char *n = memchr(p, '\n', e - p);
        if (!n)
            break;
        n++;
        if (e - n > nl && !strncasecmp(n, name, nl)) {
            n += nl;
            while (*n == ' ')
                n++;
            return n;
        }
        p = n;
    }
    return 0;
}
static void on_read(conn *c) {
    static char b[262144];
    ssize_t g = recv(c->fd, b, sizeof b, MSG_DONTWAIT);
    ll t = now_ns();
    if (g <= 0) {
        if (g < 0 && errno == EAGAIN)
            return;
        int eofok = (c->st == EOFB);
        cclose(c);
        if (eofok) {
            finish(c);
            return;
        }
        err(c, "closed");
        if (errs > 2000) {
            c->alive = 0;
            live--;
            return;
        }
        start(c);
        return;
    }
    char *p = b;
    ll n = g;
    if (c->st == HDR) {
        int k = n < (ll)(15900 - c->hl) ? n : 15900 - c->hl;
        int old = c->hl;
        memcpy(c->h + c->hl, b, k);
        c->hl += k;
    again:;
        char *e = memmem(c->h, c->hl, "\r\n\r\n", 4);
        if (!e) {
            return;
        }
        int hl = e - c->h + 2;
        c->status = atoi(c->h + 9);
        if (c->status == 100) {
            int r = hl + 2;
            memmove(c->h, c->h + r, c->hl - r);
            c->hl -= r;
            goto again;
        }
        memset(c->h + 16000, 0, 16);
        char *te = hfind(c->h, hl, "transfer-encoding:"), *cl = hfind(c->h, hl, "content-length:"),
             *co = hfind(c->h, hl, "connection:");
        c->closehdr = (co && !strncasecmp(co, "close", 5)) ||
                      (!strncmp(c->h, "HTTP/1.0", 8) && !(co && !strncasecmp(co, "keep", 4)));
        p = b + (hl + 2 - old);
        n = g - (hl + 2 - old);
        c->cst = 0;
        c->clen = 0;
        if (te) {
            c->st = CHUNK;
        } else if (cl) {
            c->st = CL;
            c->remain = atoll(cl);
            if (!c->remain) {
                finish(c);
                return;
            }
        } else {
            c->st = EOFB;
            c->closehdr = 1;
        }
        if (n <= 0)
            return;
    }
    if (body(c, p, n, t))
        finish(c);
}
int mock_init(int port);
void mock_poll(int block);
static int mock_on;
static int run(int a, char **v) {
    port = 9100;
    C = 1;
    D = 5;
    W = 1;
    TO = 30;
    MAXN = 0;
    stream = 0;
    sn = apc = 0;
    all_req = all_chunks = errs = started = m_req = m_chunks = m_bytes = all_bytes = 0;
    errmsg[0] = 0;
    L.n = F.n = X.n = 0;
    live = 0;
    optind = 1;
    char *key = "sk-bench", *model = "mock-model", *path = "/v1/chat/completions";
    char hdr[4096] = "";
    int B = 400;
    int o;
    char *sd = 0;
    while ((o = getopt(a, v, "p:c:d:w:n:k:m:P:s:B:H:T:A:")) != -1)
        switch (o) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'c':
            C = atoi(optarg);
            break;
        case 'd':
            D = atof(optarg);
            break;
        case 'w':
            W = atof(optarg);
            break;
        case 'n':
            MAXN = atoll(optarg);
            break;
        case 'k':
            key = optarg;
            break;
        case 'm':
            model = optarg;
            break;
        case 'P':
            path = optarg;
            break;
        case 's':
            stream = 1;
            sd = optarg;
            break;
        case 'B':
            B = atoi(optarg);
            break;
        case 'H':
            strcat(hdr, optarg);
            strcat(hdr, "\r\n");
            break;
        case 'T':
            TO = atof(optarg);
            break;
        case 'A':
            apc = atoi(optarg);
            break;
        default:
            return 2;
        }
    if (sd) {
        sn = atoi(sd);
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit rl = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &rl);
    char *pad = malloc(B + 1);
    for (int i = 0; i < B; i++)
        pad[i] = "lorem ipsum dolor sit amet "[i % 27];
    pad[B] = 0;
    char *bd = malloc(B + 2048);
    int bl = sprintf(bd,
                     "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a "
                     "helpful assistant.\"},{\"role\":\"user\",\"content\":\"mock:%s "
                     "%s\"}],\"temperature\":0.7,\"max_tokens\":512%s}",
                     model, sd ? sd : "0", pad,
                     stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
    req = malloc(bl + 8192);
    reql = sprintf(req,
                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: %s\r\nContent-Type: "
                   "application/json\r\nUser-Agent: loadgen/1\r\nAuthorization: Bearer "
                   "%s\r\n%sContent-Length: %d\r\n\r\n",
                   path, port, stream ? "text/event-stream" : "application/json", key, hdr, bl);
    memcpy(req + reql, bd, bl);
    reql += bl;
    ep = epoll_create1(0);
    conn *cs = calloc(C, sizeof(conn));
    tstart = now_ns();
    tmeas = tstart + W * 1e9;
    tend = tmeas + D * 1e9;
    ll hard = tend + TO * 1e9;
    for (int i = 0; i < C; i++) {
        cs[i].fd = -1;
        cs[i].alive = 1;
        live++;
    }
    for (int i = 0; i < C; i++)
        start(&cs[i]);
    struct epoll_event ev[512];
    while (live > 0) {
        int k = epoll_wait(ep, ev, 512, mock_on ? 0 : 200);
        if (mock_on)
            mock_poll(0);
        for (int i = 0; i < k; i++) {
            conn *c = ev[i].data.ptr;
            if (c->fd >= 0)
                on_read(c);
        }
        ll t = now_ns();
        if (t > hard) {
            for (int i = 0; i < C; i++)
                if (cs[i].alive)
                    err(&cs[i], "timeout");
            break;
        }
    }
    ll te = now_ns();
    double win = ((te < tend ? te : tend) - tmeas) / 1e9;
    if (win <= 0)
        win = 1e-9;
    qsort(L.v, L.n, 4, cmp);
    qsort(F.v, F.n, 4, cmp);
    qsort(X.v, X.n, 4, cmp);
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    printf("{\"c\":%d,\"stream\":%d,\"req\":%lld,\"win_s\":%.3f,\"rps\":%.1f,\"lat_us\":{\"mean\":%"
           ".1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
           C, stream, m_req, win, m_req / win, mean(&L), pct(&L, .5), pct(&L, .9), pct(&L, .99),
           pct(&L, 1));
    if (stream)
        printf(",\"ttft_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f},\"chunks_s\":%."
               "0f,\"chunk_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f}",
               mean(&F), pct(&F, .5), pct(&F, .9), pct(&F, .99), m_chunks / win, mean(&X),
               pct(&X, .5), pct(&X, .99));
    printf(",\"all_req\":%lld,\"all_chunks\":%lld,\"bytes\":%lld,\"errors\":%lld,\"self_cpu_s\":%."
           "3f,\"total_s\":%.3f,\"err\":\"%s\"}\n",
           all_req, all_chunks, all_bytes, errs,
           ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
               (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6,
           (te - tstart) / 1e9, errmsg);
    fflush(stdout);
    for (int i = 0; i < C; i++)
        cclose(&cs[i]);
    close(ep);
    free(cs);
    free(pad);
    free(bd);
    free(req);
    return errs ? 1 : 0;
}
/* loadgen -I MOCKPORT: embed the mock in this one busy-polling thread (no wake-ups, no context
 * switches on this side) and run one load per stdin line (same options, '|' separates arguments) */
int main(int a, char **v) {
    if (a < 3 || strcmp(v[1], "-I"))
        return run(a, v);
    int mep = mock_init(atoi(v[2]));
    if (mep < 0)
        return 1;
    for (;;) {
        struct pollfd p[2] = {{0, POLLIN, 0}, {mep, POLLIN, 0}};
        poll(p, 2, 1);
        mock_poll(0);
        if (p[0].revents) {
            static char line[8192];
            int n = 0;
            while (n < 8191) {
                if (read(0, line + n, 1) <= 0)
                    return 0;
                if (line[n] == '\n')
                    break;
                n++;
            }
            line[n] = 0;
            char *av[64];
            int ac = 0;
            av[ac++] = "loadgen";
            for (char *t = strtok(line, "|"); t && ac < 63; t = strtok(0, "|"))
                av[ac++] = t;
            av[ac] = 0;
            mock_on = 1;
            run(ac, av);
            mock_on = 0;
        }
    }
}
