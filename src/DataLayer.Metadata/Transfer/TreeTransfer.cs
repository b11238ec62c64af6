using System.Buffers;
using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Metadata.Transfer;

/// <summary>
/// Copies whole trees between databases, and to and from files. No service may run meanwhile, which the databases'
/// locks see to. Rows are streamed: memory does not grow with the tree. A copy is read back and compared, table by
/// table, by count and SHA-256 over the rows in the order of their keys.
/// </summary>
public static class TreeTransfer
{
    /// <summary>Copies a tree into an empty database.</summary>
    /// <returns>What was copied, by table.</returns>
    /// <exception cref="DataLayerException">AlreadyExists: the target holds a tree. Overloaded: a service runs.
    /// Corrupt: the copy is not what was read. Else as when a tree is opened.</exception>
    public static Task<IReadOnlyList<TableTransfer>> MigrateAsync(
        TreeStoreOptions from, TreeStoreOptions to, TimeProvider time, Action<TableTransfer>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return Task.Run<IReadOnlyList<TableTransfer>>(
            () =>
            {
                using TransferDatabase source = TransferDatabase.Open(from, time);
                RefuseEmpty(source);
                return Fill(
                    to, time, (_, sink) => source.Run(() => Send(source, sink, progress, cancellationToken)),
                    cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Writes a tree to a stream, in the form of docs/FORMATS/tree-dump.md.</summary>
    /// <returns>What was written, by table.</returns>
    public static Task<IReadOnlyList<TableTransfer>> DumpAsync(
        TreeStoreOptions from, Stream to, TimeProvider time, Action<TableTransfer>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return Task.Run<IReadOnlyList<TableTransfer>>(
            () =>
            {
                using TransferDatabase source = TransferDatabase.Open(from, time);
                RefuseEmpty(source);
                to.Write(Encoding.ASCII.GetBytes(DumpFile.Magic));
                DumpFile.Write(to, DumpFile.Header, new JsonObject { ["schema"] = TreeSchema.Steps[^1].Version });
                using DumpSink sink = new(to);
                List<TableTransfer> done = source.Run(() => Send(source, sink, progress, cancellationToken));
                DumpFile.Write(to, DumpFile.End, new JsonObject { ["tables"] = done.Count });
                to.Flush();
                return done;
            },
            cancellationToken);
    }

    /// <summary>Reads a dump into an empty database.</summary>
    /// <returns>What was read, by table.</returns>
    /// <exception cref="DataLayerException">Corrupt: the dump is damaged. NotSupported: it is of another version.
    /// Else as <see cref="MigrateAsync"/>.</exception>
    public static Task<IReadOnlyList<TableTransfer>> LoadAsync(
        Stream from, TreeStoreOptions to, TimeProvider time, Action<TableTransfer>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return Task.Run<IReadOnlyList<TableTransfer>>(
            () => Fill(
                to, time, (target, sink) => Receive(target, from, sink, progress, cancellationToken),
                cancellationToken),
            cancellationToken);
    }

    /// <summary>Opens a tree that was copied, checks it against itself and closes it.</summary>
    /// <returns>The problems; none when it is sound.</returns>
    public static async Task<IReadOnlyList<TreeProblem>> CheckAsync(
        TreeStoreOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        TreeStore tree = await TreeStore.OpenAsync(
            options, time, NullLogger<TreeStore>.Instance, cancellationToken).ConfigureAwait(false);
        await using (tree.ConfigureAwait(false))
        {
            return await tree.CheckAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static void RefuseEmpty(TransferDatabase source)
    {
        if (!source.Run(() => source.HoldsTree))
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"{source.Session.Dialect.DisplayName} holds no tree. Check the configuration's "
                    + "stateDirectory and metadata section.");
        }
    }

    private static List<TableTransfer> Send(
        TransferDatabase source, IRowSink? sink, Action<TableTransfer>? progress, CancellationToken cancellationToken)
    {
        List<TableTransfer> done = [];
        ArrayBufferWriter<byte> bytes = new();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (TreeTable table in TreeTable.List(source.Session))
        {
            SqlValue[] row = new SqlValue[table.Columns.Count];
            long count = 0;
            sink?.Begin(table);
            using (DbDataReader reader = source.Session.Get(table.SelectAll).Query())
            {
                while (reader.Read())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    table.Read(reader, row);
                    bytes.ResetWrittenCount();
                    RowBytes.Write(bytes, row);
                    hash.AppendData(bytes.WrittenSpan);
                    sink?.Add(row, bytes.WrittenSpan);
                    count++;
                }
            }

            TableTransfer transfer = new(table.Name, count, Convert.ToHexStringLower(hash.GetHashAndReset()));
            sink?.End(transfer);
            progress?.Invoke(transfer);
            done.Add(transfer);
        }

        return done;
    }

    private static List<TableTransfer> Receive(
        TransferDatabase target, Stream from, IRowSink sink, Action<TableTransfer>? progress,
        CancellationToken cancellationToken)
    {
        byte[] magic = new byte[DumpFile.Magic.Length];
        if (from.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) < magic.Length
            || Encoding.ASCII.GetString(magic) != DumpFile.Magic)
        {
            throw new DataLayerException(ErrorCode.NotSupported, "This is no dump of a tree, or one of a later "
                + "version. 'datalayer metadata dump' makes one.");
        }

        byte[] buffer = new byte[1 << 20];
        int version = Number(Expect(from, ref buffer, DumpFile.Header), "schema");
        if (version != TreeSchema.Steps[^1].Version)
        {
            throw new DataLayerException(
                ErrorCode.NotSupported, $"The dump has schema version {version}, this program writes "
                    + $"{TreeSchema.Steps[^1].Version}. Load it with the program that made it, then start this one.");
        }

        List<TableTransfer> done = [];
        foreach (TreeTable table in TreeTable.List(target.Session))
        {
            TableTransfer transfer = ReceiveTable(table, from, ref buffer, sink, cancellationToken);
            progress?.Invoke(transfer);
            done.Add(transfer);
        }

        return Number(Expect(from, ref buffer, DumpFile.End), "tables") == done.Count
            ? done : throw RowBytes.Damaged("it has another number of tables");
    }

    private static TableTransfer ReceiveTable(
        TreeTable table, Stream from, ref byte[] buffer, IRowSink sink, CancellationToken cancellationToken)
    {
        table.CheckSame(Expect(from, ref buffer, DumpFile.Table));
        SqlValue[] row = new SqlValue[table.Columns.Count];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long count = 0;
        sink.Begin(table);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            (byte kind, ReadOnlyMemory<byte> payload) = DumpFile.Read(from, ref buffer);
            if (kind == DumpFile.Rows)
            {
                while (payload.Length > 0)
                {
                    int length = RowBytes.Read(payload.Span, table.Columns, row);
                    hash.AppendData(payload.Span[..length]);
                    sink.Add(row, payload.Span[..length]);
                    payload = payload[length..];
                    count++;
                }

                continue;
            }

            TableTransfer transfer = new(table.Name, count, Convert.ToHexStringLower(hash.GetHashAndReset()));
            if (kind != DumpFile.TableEnd || Long(DumpFile.ReadJson(payload), "rows") != count
                || DumpFile.ReadJson(payload)["sha256"]?.ToString() != transfer.Sha256)
            {
                throw RowBytes.Damaged($"the rows of '{table.Name}' are not those that were written");
            }

            sink.End(transfer);
            return transfer;
        }
    }

    /// <summary>Fills an empty database in one transaction and compares what it holds then.</summary>
    private static List<TableTransfer> Fill(
        TreeStoreOptions to, TimeProvider time, Func<TransferDatabase, IRowSink, List<TableTransfer>> transfer,
        CancellationToken cancellationToken)
    {
        using TransferDatabase target = TransferDatabase.Open(to, time);
        List<TableTransfer> done = [];
        target.Run(() =>
        {
            target.Fill(sink => done = transfer(target, sink));
            return true;
        });
        Verify(target, done, cancellationToken);
        return done;
    }

    private static void Verify(
        TransferDatabase target, List<TableTransfer> sent, CancellationToken cancellationToken)
    {
        List<TableTransfer> found = target.Run(() => Send(target, sink: null, progress: null, cancellationToken));
        for (int i = 0; i < sent.Count; i++)
        {
            if (found[i] != sent[i])
            {
                throw new DataLayerException(
                    ErrorCode.Corrupt, string.Create(
                        CultureInfo.InvariantCulture,
                        $"The copy of table '{sent[i].Table}' in {target.Session.Dialect.DisplayName} is not what was "
                            + $"read: {found[i].RowCount} rows {found[i].Sha256}, expected {sent[i].RowCount} rows "
                            + $"{sent[i].Sha256}. Empty the target and try again."));
            }
        }
    }

    private static JsonNode Expect(Stream from, ref byte[] buffer, byte kind)
    {
        (byte found, ReadOnlyMemory<byte> payload) = DumpFile.Read(from, ref buffer);
        return found == kind ? DumpFile.ReadJson(payload) : throw RowBytes.Damaged($"frame {found} in place of {kind}");
    }

    private static int Number(JsonNode node, string name) => (int)Math.Clamp(Long(node, name), -1, int.MaxValue);

    private static long Long(JsonNode node, string name) =>
        node is JsonObject map && map[name] is JsonValue value && value.TryGetValue(out long number)
            ? number : throw RowBytes.Damaged($"'{name}' is missing");
}
