using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads;

/// <summary>
/// What the import of a pack of 200,000 small files does to others: the longest that a new file waits for the tree meanwhile, as one
/// divided by that time, and how many members come in a second. The baseline is the same pack imported as one change.
/// </summary>
internal sealed class PacksWorkload : IWorkload
{
    private const int Members = 200_000;
    private const int PieceMembers = 1000;
    private const int MemberBytes = 1024;
    private int _packs;

    public string Name => "packs";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await using BareEngine bare = await BareEngine.OpenAsync(
            Name, new BlockCacheOptions { CapacityBytes = 64 << 20 }, [new ObjectStoreOptions { Name = "default", Kind = "directory" }],
            cancellationToken);
        Attachment attachment = await bare.Engine.AttachAsync(
            new AttachRequest { Source = $"file://{bare.MakeFolder("bucket")}", Path = "/data", Mode = AttachmentMode.ReadWrite }, null, cancellationToken);
        (double waitWhole, double rateWhole) = await ImportAsync(bare.Tree, attachment.Id, Members, cancellationToken);
        (double wait, double rate) = await ImportAsync(bare.Tree, attachment.Id, PieceMembers, cancellationToken);
        report.Add("change-meanwhile", "1/s", 1 / wait, 1 / waitWhole, 1);
        report.Add("import", "files/s", rate, rateWhole, 1);
    }

    private async Task<(double LongestSeconds, double Rate)> ImportAsync(
        TreeStore tree, long attachment, int pieceMembers, CancellationToken cancellationToken)
    {
        int number = ++_packs;
        List<PackImportMember> members = [.. Enumerable.Range(0, Members).Select(i => new PackImportMember(
            string.Create(CultureInfo.InvariantCulture, $"{number}/{i / 1000:D4}/sample-{i:D8}.jpg"),
            512 + ((512L + MemberBytes) * i), MemberBytes, 1_700_000_000_000_000_000))];
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<double> others = Task.Run(() => MakeFilesAsync(tree, number, done.Token), cancellationToken);
        long start = Stopwatch.GetTimestamp();
        for (long at = 0; at < Members;)
        {
            PackImportResult result = await tree.ImportPackAsync(
                new PackImport
                {
                    AttachmentId = attachment,
                    Key = string.Create(CultureInfo.InvariantCulture, $"{PackKeys.Folder}{number:D8}-17a0000000000000.tar"),
                    ETag = "etag",
                    SizeBytes = (512L + MemberBytes) * Members + 1024,
                    CreatedTimeNanoseconds = 0x17a0000000000000,
                    TotalCount = Members,
                    First = at,
                    Members = members.GetRange((int)at, Math.Min(pieceMembers, Members - (int)at)),
                },
                cancellationToken);
            at = result.Next;
        }

        double took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await done.CancelAsync();
        return (await others, Members / took);
    }

    /// <summary>Makes one file after the other; the longest that one took, seconds.</summary>
    private static async Task<double> MakeFilesAsync(TreeStore tree, int number, CancellationToken cancellationToken)
    {
        double longest = 0;
        for (int i = 0; !cancellationToken.IsCancellationRequested; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await tree.CreateFileAsync(
                InodeId.Root, string.Create(CultureInfo.InvariantCulture, $"{number}-{i}"), new NewInode(0x1A4, 0, 0), CancellationToken.None);
            longest = Math.Max(longest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return longest;
    }
}
