using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// The tables of the tree and how older ones become current. Each step runs in a transaction of its own together with
/// the new version number, so a crash between steps leaves a database that the next start goes on with.
/// docs/FORMATS/metadata.md tells what the columns mean.
/// </summary>
internal static class TreeSchema
{
    /// <summary>All steps, oldest first. A published step never changes; a new one is added.</summary>
    public static IReadOnlyList<SchemaStep> Steps { get; } =
        [
            new SchemaStep(1, InitialScript),
            new SchemaStep(2, DeviceScript),
            new SchemaStep(3, AccessScript),
            new SchemaStep(4, PolicyScript),
            new SchemaStep(5, JobScript),
            new SchemaStep(6, PlanScript),
            new SchemaStep(7, MoveScript),
            new SchemaStep(9, CostScript),
            new SchemaStep(10, QuotaScript),
            new SchemaStep(11, PackScript),
            new SchemaStep(12, HeadroomScript),
            new SchemaStep(13, PackChangeScript),
        ];

    private const string JobScript =
        """
        INSERT INTO counters (name, next) VALUES ('job', 1);
        INSERT INTO counters (name, next) VALUES ('schedule', 1);

        CREATE TABLE jobs (
            id {int64} NOT NULL PRIMARY KEY,
            kind {text} NOT NULL,
            state {int64} NOT NULL,
            spec {text} NOT NULL,
            owner {text} NOT NULL,
            scopes {text} NOT NULL,
            cursor {text},
            done_objects {int64} NOT NULL,
            total_objects {int64} NOT NULL,
            done_bytes {int64} NOT NULL,
            total_bytes {int64} NOT NULL,
            failed_objects {int64} NOT NULL,
            result {text},
            failure {text},
            sequence {int64} NOT NULL,
            created_time {int64} NOT NULL,
            started_time {int64} NOT NULL,
            ended_time {int64} NOT NULL,
            crc {int64} NOT NULL);
        CREATE INDEX jobs_open ON jobs (id) WHERE state < 4;

        CREATE TABLE job_keys (
            owner {text} NOT NULL,
            name {text} NOT NULL,
            fingerprint {text} NOT NULL,
            made {int64} NOT NULL,
            created_time {int64} NOT NULL,
            PRIMARY KEY (owner, name)) {clustered};
        CREATE INDEX job_keys_age ON job_keys (created_time);

        CREATE TABLE job_schedules (
            id {int64} NOT NULL PRIMARY KEY,
            cron {text} NOT NULL,
            zone {text} NOT NULL,
            kind {text} NOT NULL,
            spec {text} NOT NULL,
            owner {text} NOT NULL,
            scopes {text} NOT NULL,
            created_time {int64} NOT NULL,
            last_time {int64} NOT NULL,
            last_job {int64} NOT NULL,
            crc {int64} NOT NULL);
        """;

    private const string PlanScript =
        """
        CREATE TABLE plans (
            id {int64} NOT NULL PRIMARY KEY,
            created_time {int64} NOT NULL,
            spool_bytes {int64} NOT NULL,
            summary {text} NOT NULL,
            crc {int64} NOT NULL);
        INSERT INTO counters (name, next) VALUES ('plan', 1);
        """;

    private const string QuotaScript =
        """
        ALTER TABLE inodes ADD COLUMN quota_folder {int64} NOT NULL DEFAULT 0;
        ALTER TABLE inodes ADD COLUMN birth_time {int64} NOT NULL DEFAULT 0;
        CREATE TABLE quotas (
            folder {int64} NOT NULL PRIMARY KEY,
            parent {int64} NOT NULL,
            limit_bytes {int64} NOT NULL,
            limit_inodes {int64} NOT NULL,
            used_bytes {int64} NOT NULL,
            used_inodes {int64} NOT NULL,
            crc {int64} NOT NULL);
        """;

    private const string MoveScript =
        """
        CREATE TABLE moves (
            job {int64} NOT NULL,
            number {int64} NOT NULL,
            plan {int64} NOT NULL,
            policy_version {int64} NOT NULL,
            policy_hash {text} NOT NULL,
            rule {int64} NOT NULL,
            inode {int64} NOT NULL,
            version {int64} NOT NULL,
            path {text} NOT NULL,
            kinds {int64} NOT NULL,
            done_kinds {int64} NOT NULL,
            size_bytes {int64} NOT NULL,
            from_state {int64} NOT NULL,
            from_hot_bytes {int64} NOT NULL,
            from_residency {blob},
            from_class {text},
            from_etag {text},
            to_class {text},
            state {int64} NOT NULL,
            reason {text},
            requests {int64} NOT NULL,
            moved_bytes {int64} NOT NULL,
            cost {int64} NOT NULL,
            started_time {int64} NOT NULL,
            ended_time {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (job, number)) {clustered};
        CREATE INDEX moves_open ON moves (inode) WHERE state = 1;

        ALTER TABLE jobs ADD COLUMN detail {text};
        """;

    private const string CostScript =
        """
        CREATE TABLE costs (
            level {int64} NOT NULL,
            currency {text} NOT NULL,
            start_time {int64} NOT NULL,
            dataset {text} NOT NULL,
            tenant {text} NOT NULL,
            purpose {int64} NOT NULL,
            item {int64} NOT NULL,
            class {text} NOT NULL,
            requests {int64} NOT NULL,
            failures {int64} NOT NULL,
            bytes {int64} NOT NULL,
            gib_month_nanos {int64} NOT NULL,
            request_nanos {int64} NOT NULL,
            retrieval_nanos {int64} NOT NULL,
            egress_nanos {int64} NOT NULL,
            storage_nanos {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (level, currency, start_time, dataset, tenant, purpose, item, class)) {clustered};

        CREATE TABLE job_costs (
            job {int64} NOT NULL,
            currency {text} NOT NULL,
            dataset {text} NOT NULL,
            tenant {text} NOT NULL,
            purpose {int64} NOT NULL,
            item {int64} NOT NULL,
            class {text} NOT NULL,
            last_time {int64} NOT NULL,
            requests {int64} NOT NULL,
            failures {int64} NOT NULL,
            bytes {int64} NOT NULL,
            gib_month_nanos {int64} NOT NULL,
            request_nanos {int64} NOT NULL,
            retrieval_nanos {int64} NOT NULL,
            egress_nanos {int64} NOT NULL,
            storage_nanos {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (job, currency, dataset, tenant, purpose, item, class)) {clustered};

        CREATE TABLE capacity_history (
            pool {text} NOT NULL,
            level {int64} NOT NULL,
            start_time {int64} NOT NULL,
            sample_time {int64} NOT NULL,
            capacity_bytes {int64} NOT NULL,
            free_bytes {int64} NOT NULL,
            used_bytes {int64} NOT NULL,
            hot_bytes {int64} NOT NULL,
            premigrated_bytes {int64} NOT NULL,
            cold_bytes {int64} NOT NULL,
            object_bytes {int64} NOT NULL,
            file_count {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (pool, level, start_time)) {clustered};
        """;

    private const string PackScript =
        """
        INSERT INTO counters (name, next) VALUES ('pack', 1);

        CREATE TABLE packs (
            id {int64} NOT NULL PRIMARY KEY,
            attachment_id {int64} NOT NULL,
            object_key {text} NOT NULL,
            etag {text} NOT NULL,
            size_bytes {int64} NOT NULL,
            member_count {int64} NOT NULL,
            member_bytes {int64} NOT NULL,
            state {int64} NOT NULL,
            created_time {int64} NOT NULL,
            crc {int64} NOT NULL);
        CREATE UNIQUE INDEX packs_key ON packs (attachment_id, object_key);

        CREATE TABLE pack_members (
            inode {int64} NOT NULL,
            pack {int64} NOT NULL,
            former_etag {text} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (inode, pack)) {clustered};
        CREATE INDEX pack_members_pack ON pack_members (pack);

        CREATE INDEX inodes_packed ON inodes (object_key) WHERE object_offset > 0;
        """;

    private const string PackChangeScript =
        """
        CREATE TABLE pack_changes (
            pack {int64} NOT NULL,
            member_offset {int64} NOT NULL,
            inode {int64} NOT NULL,
            is_gone {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (pack, member_offset)) {clustered};
        """;

    private const string HeadroomScript =
        """
        INSERT INTO counters (name, next) VALUES ('headroom', 1);

        CREATE TABLE headrooms (
            id {int64} NOT NULL PRIMARY KEY,
            name {text} NOT NULL,
            spec {text} NOT NULL,
            state {text},
            owner {text} NOT NULL,
            version {int64} NOT NULL,
            created_time {int64} NOT NULL,
            crc {int64} NOT NULL);
        """;

    private const string DeviceScript =
        """
        ALTER TABLE inodes ADD COLUMN device {int64} NOT NULL DEFAULT 0;
        INSERT INTO counters (name, next) VALUES ('sync', 1);
        """;

    private const string PolicyScript =
        """
        CREATE TABLE policies (
            version {int64} NOT NULL PRIMARY KEY,
            created_time {int64} NOT NULL,
            active_time {int64} NOT NULL,
            author {text} NOT NULL,
            comment {text} NOT NULL,
            hash {text} NOT NULL,
            active {int64} NOT NULL,
            body {text} NOT NULL,
            crc {int64} NOT NULL);
        CREATE UNIQUE INDEX policies_active ON policies (active) WHERE active = 1;
        INSERT INTO counters (name, next) VALUES ('policy', 1);
        """;

    private const string AccessScript =
        """
        ALTER TABLE inodes ADD COLUMN object_class {text};
        ALTER TABLE inodes ADD COLUMN object_time {int64} NOT NULL DEFAULT 0;
        INSERT INTO counters (name, next) VALUES ('access_series', 1);

        CREATE TABLE heat (
            inode {int64} NOT NULL PRIMARY KEY REFERENCES inodes (inode) ON DELETE CASCADE,
            score {int64} NOT NULL,
            score_time {int64} NOT NULL,
            access_time {int64} NOT NULL,
            read_count {int64} NOT NULL,
            read_bytes {int64} NOT NULL,
            crc {int64} NOT NULL);

        CREATE TABLE access_series (
            id {int64} NOT NULL PRIMARY KEY,
            kind {int64} NOT NULL,
            subject {int64} NOT NULL,
            path {text} NOT NULL,
            last_time {int64} NOT NULL,
            crc {int64} NOT NULL);
        CREATE UNIQUE INDEX access_series_subject ON access_series (kind, subject);

        CREATE TABLE access_history (
            series {int64} NOT NULL REFERENCES access_series (id) ON DELETE CASCADE,
            level {int64} NOT NULL,
            start_time {int64} NOT NULL,
            first_time {int64} NOT NULL,
            last_time {int64} NOT NULL,
            open_count {int64} NOT NULL,
            read_count {int64} NOT NULL,
            memory_bytes {int64} NOT NULL,
            hot_bytes {int64} NOT NULL,
            cold_bytes {int64} NOT NULL,
            hot_wait {int64} NOT NULL,
            cold_wait {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (series, level, start_time)) {clustered};
        """;

    private const string InitialScript =
        """
        CREATE TABLE counters (name {text} NOT NULL PRIMARY KEY, next {int64} NOT NULL);
        INSERT INTO counters (name, next) VALUES ('inode', 2);
        INSERT INTO counters (name, next) VALUES ('journal', 1);
        INSERT INTO counters (name, next) VALUES ('attachment', 1);

        CREATE TABLE settings (name {text} NOT NULL PRIMARY KEY, value {text} NOT NULL);

        CREATE TABLE inodes (
            inode {int64} NOT NULL PRIMARY KEY,
            kind {int64} NOT NULL,
            mode {int64} NOT NULL,
            user_id {int64} NOT NULL,
            group_id {int64} NOT NULL,
            link_count {int64} NOT NULL,
            size_bytes {int64} NOT NULL,
            generation {int64} NOT NULL,
            last_generation {int64} NOT NULL,
            version {int64} NOT NULL,
            state {int64} NOT NULL,
            attachment_id {int64} NOT NULL,
            access_time {int64} NOT NULL,
            modify_time {int64} NOT NULL,
            change_time {int64} NOT NULL,
            link_target {text},
            attribute_crc {int64} NOT NULL,
            placement {text},
            object_attachment {int64},
            object_key {text},
            object_etag {text},
            object_version {text},
            object_size {int64},
            object_offset {int64},
            checked_time {int64} NOT NULL,
            resident_bytes {int64} NOT NULL,
            content_crc {int64} NOT NULL,
            residency {blob});
        CREATE INDEX inodes_orphans ON inodes (object_key) WHERE link_count = 0;

        CREATE TABLE dentries (
            parent {int64} NOT NULL REFERENCES inodes (inode),
            name {blob} NOT NULL,
            inode {int64} NOT NULL REFERENCES inodes (inode),
            kind {int64} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (parent, name)) {clustered};
        CREATE INDEX dentries_inode ON dentries (inode);

        CREATE TABLE xattrs (
            inode {int64} NOT NULL REFERENCES inodes (inode) ON DELETE CASCADE,
            name {text} NOT NULL,
            value {blob} NOT NULL,
            crc {int64} NOT NULL,
            PRIMARY KEY (inode, name)) {clustered};

        CREATE TABLE attachments (
            id {int64} NOT NULL PRIMARY KEY,
            folder {int64} NOT NULL UNIQUE REFERENCES inodes (inode),
            path {text} NOT NULL,
            source {text} NOT NULL,
            store_name {text} NOT NULL,
            key_prefix {text} NOT NULL,
            mode {int64} NOT NULL,
            freshness {int64} NOT NULL,
            max_age {int64} NOT NULL,
            flush {int64} NOT NULL,
            listing_cursor {text},
            object_count {int64} NOT NULL,
            object_bytes {int64} NOT NULL,
            removing {int64} NOT NULL);

        CREATE TABLE journal (
            id {int64} NOT NULL PRIMARY KEY,
            kind {int64} NOT NULL,
            inode {int64} NOT NULL,
            generation {int64} NOT NULL,
            attachment_id {int64} NOT NULL,
            object_key {text} NOT NULL,
            etag {text},
            placement {text},
            failure_count {int64} NOT NULL,
            due_time {int64} NOT NULL,
            started {int64} NOT NULL,
            replaces {int64} NOT NULL,
            crc {int64} NOT NULL);
        CREATE INDEX journal_due ON journal (kind, due_time, id);
        CREATE INDEX journal_inode ON journal (inode, id);
        CREATE INDEX journal_key ON journal (attachment_id, object_key, id) WHERE kind < 3;
        """;

    /// <summary>Brings the database to the newest version of <paramref name="steps"/>.</summary>
    /// <returns>The version it had before; 0 for a new database.</returns>
    /// <exception cref="DataLayerException">NotSupported: the database is newer than this program, or is not
    /// ours.</exception>
    public static int Migrate(SqlSession session, IReadOnlyList<SchemaStep> steps)
    {
        int found = ReadVersion(session);
        int newest = steps[^1].Version;
        if (found > newest)
        {
            throw new DataLayerException(
                ErrorCode.NotSupported,
                $"{session.Dialect.DisplayName} has schema version {found}, this program knows versions up to "
                    + $"{newest}. Use the newer program that wrote it, or restore the backup from before the update.");
        }

        foreach (SchemaStep step in steps)
        {
            // Also one below the newest: branches number their steps before they meet.
            if (step.Version > found || !IsTaken(session, step.Version))
            {
                Apply(session, step);
            }
        }

        return found;
    }

    /// <summary>Refuses a database whose schema is not the newest, for who must not change it.</summary>
    /// <exception cref="DataLayerException">NotSupported.</exception>
    public static void CheckNewest(SqlSession session, IReadOnlyList<SchemaStep> steps)
    {
        int found = ReadVersion(session);
        if (found != steps[^1].Version)
        {
            throw new DataLayerException(
                ErrorCode.NotSupported,
                $"{session.Dialect.DisplayName} has schema version {found}, and this program reads version "
                    + $"{steps[^1].Version}. Run the same program on all nodes; the one that writes brings the schema "
                    + "up to date.");
        }
    }

    private static bool IsTaken(SqlSession session, int version) =>
        session.Get("SELECT 1 FROM schema_version WHERE version = $1").Add((long)version).QueryAny();

    private static int ReadVersion(SqlSession session)
    {
        if (session.Dialect.HasTable(session, "schema_version"))
        {
            return (int)(session.Get("SELECT MAX(version) FROM schema_version").QueryInt64() ?? 0);
        }

        if (session.Dialect.HasTable(session, "inodes"))
        {
            throw new DataLayerException(
                ErrorCode.NotSupported, $"{session.Dialect.DisplayName} is not a DataLayer tree. Choose another "
                    + "state directory.");
        }

        return 0;
    }

    private static void Apply(SqlSession session, SchemaStep step)
    {
        string script = step.Script
            .Replace("{int64}", session.Dialect.Int64Type, StringComparison.Ordinal)
            .Replace("{blob}", session.Dialect.BlobType, StringComparison.Ordinal)
            .Replace("{text}", session.Dialect.TextType, StringComparison.Ordinal)
            .Replace("{clustered}", session.Dialect.ClusteredSuffix, StringComparison.Ordinal);
        session.ExecuteScript(session.Dialect.BeginWrite);
        try
        {
            if (step.Version == 1)
            {
                session.ExecuteScript($"CREATE TABLE schema_version (version {session.Dialect.Int64Type} NOT NULL "
                    + "PRIMARY KEY)");
            }

            session.ExecuteScript(script);
            session.ExecuteScript(
                string.Create(CultureInfo.InvariantCulture, $"INSERT INTO schema_version (version) VALUES "
                    + $"({step.Version})"));
            session.ExecuteScript("COMMIT");
        }
        catch
        {
            session.ExecuteScript("ROLLBACK");
            throw;
        }
    }
}
