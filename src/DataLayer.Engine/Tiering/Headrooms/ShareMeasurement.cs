using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>Measures what a share's files have in the hot tier: a walk over them, about 200,000 a second.</summary>
internal sealed class ShareMeasurement(FileEngine engine)
{
    /// <summary>Walks a folder, and notes whose its files are.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="number">The share's number.</param>
    /// <param name="map">Where that is noted.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Bytes in the default pool, with copies.</returns>
    public async ValueTask<long> RunAsync(
        string path, int number, ShareMap map, CancellationToken cancellationToken)
    {
        long bytes = 0;
        try
        {
            await foreach (FileFacts file in engine.Facts.ReadAsync(path, cancellationToken).ConfigureAwait(false))
            {
                map.Set(file.Inode, number);
                bytes += file.Pool is null || file.Pool == engine.Context.Hot.DefaultPool
                    ? file.HotCopiesBytes
                    : 0;
            }
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.NotFound or ErrorCode.NotADirectory)
        {
            _ = e; // The folder is gone: it has nothing, and may come back.
        }

        return bytes;
    }
}
