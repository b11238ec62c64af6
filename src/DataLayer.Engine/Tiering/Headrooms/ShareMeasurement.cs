using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>Measures what a share's files have in the hot tier: a walk over them, about 200,000 a second.</summary>
internal sealed class ShareMeasurement(FileEngine engine)
{
    /// <summary>Walks a folder, and notes whose its files are.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="pool">The pool it is of; null for the default.</param>
    /// <param name="number">The share's number.</param>
    /// <param name="map">Where that is noted.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Bytes in the pool, with copies.</returns>
    public async ValueTask<long> RunAsync(
        string path, string? pool, int number, ShareMap map, CancellationToken cancellationToken)
    {
        string wanted = pool ?? engine.Context.Hot.DefaultPool;
        long bytes = 0;
        try
        {
            await foreach (FileFacts file in engine.Facts.ReadAsync(path, cancellationToken).ConfigureAwait(false))
            {
                map.Set(file.Inode, number);
                bytes += file.Pool == wanted ? file.HotCopiesBytes : 0;
            }
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.NotFound or ErrorCode.NotADirectory)
        {
            _ = e; // The folder is gone: it has nothing, and may come back.
        }

        return bytes;
    }
}
