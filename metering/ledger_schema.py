"""Tables of usage.sqlite. Amounts are decimal text; NULL is unknown; times are Unix seconds UTC.

The second migration puts an attempt and its charge in one row, and rows in the order they come:
attempt ids are random, and a table in their order touches a page of its own for every row. The
third writes down once what many attempts have in common; `attempt` is then a view of both. The
fourth keeps who called, for the calls that do not say so themselves.
"""

MIGRATIONS = (
    """
    CREATE TABLE attempt (
        attempt_id TEXT PRIMARY KEY,
        content_hash TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        model TEXT NOT NULL,
        model_requested TEXT NOT NULL,
        pool TEXT NOT NULL,
        provider TEXT NOT NULL,
        vantage TEXT NOT NULL,
        at REAL NOT NULL,
        duration REAL NOT NULL,
        uncached INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        output INTEGER,
        reasoning INTEGER,
        status TEXT NOT NULL,
        error_type TEXT NOT NULL,
        operation TEXT NOT NULL,
        conversation TEXT NOT NULL,
        agent TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attempt_when ON attempt (vantage, at);
    CREATE TABLE price (
        id INTEGER PRIMARY KEY,
        snapshot TEXT NOT NULL,
        key TEXT NOT NULL,
        rates TEXT NOT NULL,
        source TEXT NOT NULL,
        dated TEXT NOT NULL,
        UNIQUE (snapshot, key)
    );
    CREATE TABLE charge (
        attempt_id TEXT PRIMARY KEY REFERENCES attempt,
        usd TEXT NOT NULL,
        price_id INTEGER NOT NULL REFERENCES price,
        booked_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE conflict (
        attempt_id TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        span TEXT NOT NULL,
        seen_at REAL NOT NULL,
        PRIMARY KEY (attempt_id, content_hash)
    ) WITHOUT ROWID;
    CREATE TABLE counted (
        hour INTEGER NOT NULL,
        vantage TEXT NOT NULL,
        tenant TEXT NOT NULL,
        model TEXT NOT NULL,
        pool TEXT NOT NULL,
        kind TEXT NOT NULL,
        price_id INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (hour, vantage, tenant, model, pool, kind, price_id)
    ) WITHOUT ROWID;
    CREATE TABLE reading (
        series TEXT PRIMARY KEY,
        value REAL NOT NULL,
        at REAL NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE told (
        attempt_id TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        model TEXT NOT NULL,
        model_requested TEXT NOT NULL,
        pool TEXT NOT NULL,
        provider TEXT NOT NULL,
        vantage TEXT NOT NULL,
        at REAL NOT NULL,
        duration REAL NOT NULL,
        uncached INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        output INTEGER,
        reasoning INTEGER,
        status TEXT NOT NULL,
        error_type TEXT NOT NULL,
        operation TEXT NOT NULL,
        conversation TEXT NOT NULL,
        agent TEXT NOT NULL,
        usd TEXT,
        price_id INTEGER REFERENCES price,
        booked_at REAL
    );
    INSERT INTO told SELECT
        attempt_id, operation_id, tenant, model, model_requested, pool, provider, vantage, at,
        duration, uncached, cache_read, cache_write, output, reasoning, status, error_type,
        operation, conversation, agent, usd, price_id, booked_at
        FROM attempt LEFT JOIN charge USING (attempt_id) ORDER BY at;
    DROP TABLE charge;
    DROP TABLE attempt;
    ALTER TABLE told RENAME TO attempt;
    CREATE UNIQUE INDEX attempt_once ON attempt (attempt_id);
    CREATE INDEX attempt_when ON attempt (vantage, at)
    """,
    """
    CREATE TABLE kind (
        kind_id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        model TEXT NOT NULL,
        model_requested TEXT NOT NULL,
        pool TEXT NOT NULL,
        provider TEXT NOT NULL,
        vantage TEXT NOT NULL,
        status TEXT NOT NULL,
        error_type TEXT NOT NULL,
        operation TEXT NOT NULL,
        UNIQUE (tenant, model, model_requested, pool, provider, vantage, status, error_type,
                operation)
    );
    INSERT INTO kind (tenant, model, model_requested, pool, provider, vantage, status, error_type,
                      operation)
        SELECT DISTINCT tenant, model, model_requested, pool, provider, vantage, status,
        error_type, operation FROM attempt;
    CREATE TABLE told (
        attempt_id TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        kind_id INTEGER NOT NULL REFERENCES kind,
        at REAL NOT NULL,
        duration REAL NOT NULL,
        uncached INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        output INTEGER,
        reasoning INTEGER,
        conversation TEXT NOT NULL,
        agent TEXT NOT NULL,
        usd TEXT,
        price_id INTEGER REFERENCES price,
        booked_at REAL
    );
    INSERT INTO told SELECT
        attempt_id, operation_id, kind_id, at, duration, uncached, cache_read, cache_write, output,
        reasoning, conversation, agent, usd, price_id, booked_at
        FROM attempt JOIN kind USING (tenant, model, model_requested, pool, provider, vantage,
                                      status, error_type, operation) ORDER BY attempt.rowid;
    DROP TABLE attempt;
    CREATE UNIQUE INDEX attempt_once ON told (attempt_id);
    CREATE INDEX attempt_when ON told (kind_id, at);
    CREATE VIEW attempt AS SELECT * FROM told JOIN kind USING (kind_id)
    """,
    """
    DROP VIEW attempt;
    ALTER TABLE told ADD COLUMN parent TEXT NOT NULL DEFAULT '';
    CREATE VIEW attempt AS SELECT * FROM told JOIN kind USING (kind_id);
    CREATE TABLE caller (
        operation_id TEXT NOT NULL,
        vantage TEXT NOT NULL,
        span_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        resource_tenant TEXT NOT NULL,
        agent TEXT NOT NULL,
        conversation TEXT NOT NULL,
        at REAL NOT NULL,
        ended REAL NOT NULL,
        PRIMARY KEY (operation_id, vantage, span_id)
    ) WITHOUT ROWID
    """,
)
